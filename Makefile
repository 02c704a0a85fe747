# Every target sets up what it needs in .venv; nothing is installed outside it.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: demo live test check bench

demo: $(VENV)/installed
	mkdir -p demo
	$(BIN)/videostyle render samples/bigbuckbunny.mp4 -t timelines/demo.yaml -o demo/bigbuckbunny_demo.mp4 -y

live: $(VENV)/installed-live
	$(BIN)/videostyle live samples/bigbuckbunny.mp4

test: $(VENV)/installed-dev
	$(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed
	$(BIN)/videostyle bench samples/bigbuckbunny.mp4

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "videostyle needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-live: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[live]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
