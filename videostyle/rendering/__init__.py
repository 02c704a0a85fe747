"""The stages composed: a file to a file, in pieces, by workers; frames of a program's own."""
