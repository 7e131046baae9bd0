# segmoe for Swift. `make` says what there is.

PREFIX ?= /usr/local
DESTDIR ?=

# One set of flags for demo, tests and installation, so that nothing is compiled twice; tests look
# inside modules, which -enable-testing allows.
export SWIFT_BUILD ?= -c release -Xswiftc -enable-testing

SOURCES := Sources Tests migrations Package.swift
PROGRAMS := segmoe segmoed segmoectl

bindir := $(DESTDIR)$(PREFIX)/bin
docdir := $(DESTDIR)$(PREFIX)/share/doc/segmoe

.PHONY: help setup build demo test check format install uninstall clean

help:
	@echo "make demo       build, merge the demo model, render a batch through the daemon"
	@echo "make test       build and run every test"
	@echo "make check      formatting, layers, doc comments, then the tests"
	@echo "make build      build the programs"
	@echo "make install    put them under PREFIX ($(PREFIX)); DESTDIR is honoured; needs make build"
	@echo "make uninstall  take them away again"
	@echo "make format     format the sources"
	@echo "make clean      remove what was built"

setup:
	@scripts/setup

build: setup
	swift build $(SWIFT_BUILD)

demo: setup
	@scripts/demo

test: setup
	@scripts/test

check: setup
	swift format lint --strict --recursive --parallel $(SOURCES)
	scripts/check-layers
	scripts/check-layers --self-test
	scripts/check-docs
	@scripts/test

format: setup
	swift format --in-place --recursive --parallel $(SOURCES)

# Builds nothing: it may run as root, who has no business compiling.
install:
	@bin=$$(swift build $(SWIFT_BUILD) --show-bin-path) && \
	for program in $(PROGRAMS); do \
	  test -x "$$bin/$$program" || { echo "install: no $$bin/$$program: run 'make build' first" >&2; exit 1; }; \
	done && \
	install -d $(bindir) $(docdir) && \
	for program in $(PROGRAMS); do install -m 755 "$$bin/$$program" $(bindir)/ || exit 1; done
	install -m 644 README.md LICENSE NOTICE $(docdir)/

uninstall:
	rm -f $(addprefix $(bindir)/,$(PROGRAMS))
	rm -rf $(docdir)

clean:
	rm -rf .build .build-demo
