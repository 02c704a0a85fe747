"""How good the pastiches are: the measures, and the slow reference they are held against."""
