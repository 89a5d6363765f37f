# Every target is `python make.py TARGET`, which is what Windows users type. ARGS are passed on: make train ARGS="--seed 2"
PYTHON ?= $(shell command -v python3 || command -v python)

.PHONY: help book test lab workshop train bench faults lock clean

help:
	@$(PYTHON) make.py help

book:
	@$(PYTHON) make.py book

test:
	@$(PYTHON) make.py test

lab:
	@$(PYTHON) make.py lab $(ARGS)

workshop:
	@$(PYTHON) make.py workshop $(ARGS)

train:
	@$(PYTHON) make.py train $(ARGS)

bench:
	@$(PYTHON) make.py bench $(ARGS)

faults:
	@$(PYTHON) make.py faults $(ARGS)

lock:
	@$(PYTHON) make.py lock $(ARGS)

clean:
	@$(PYTHON) make.py clean $(ARGS)
