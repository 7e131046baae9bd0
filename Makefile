# segmoe for Swift. `make` says what there is.

PREFIX ?= /usr/local
DESTDIR ?=

# One set of flags for demo, tests and installation, so that nothing is compiled twice.
export SWIFT_BUILD ?= -c release

SOURCES := Sources Tests migrations Package.swift
PROGRAMS := segmoe segmoed segmoectl
# Where the finished programs are, if not where swift puts them.
BIN ?=
UNITS := $(notdir $(wildcard systemd/*.service systemd/*.timer))
# Beside the files that a person writes, which are never touched.
EXAMPLES := config.yaml retention.conf server.conf
# Manifests for Kubernetes, beside the documentation.
DEPLOYMENT := $(shell find deploy -type f)
PAGES := README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE NOTICE

bindir := $(DESTDIR)$(PREFIX)/bin
libdir := $(DESTDIR)$(PREFIX)/lib
docdir := $(DESTDIR)$(PREFIX)/share/doc/segmoe
mandir := $(DESTDIR)$(PREFIX)/share/man/man1
bashdir := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
# Where the programs look, whatever the prefix.
confdir := $(DESTDIR)/etc/segmoed

.PHONY: help setup build demo test test-sets torture torture-server sanitize fuzz gates check docs format install uninstall deb clean

help:
	@echo "make demo       build, merge the demo model, render a batch through the daemon"
	@echo "make test       build and run every test"
	@echo "make torture    kill daemons at random moments, 1,000 times (KILLS=…)"
	@echo "make torture-server   the same around a PostgreSQL server, goes on where it was (KILLS=…)"
	@echo "make sanitize   the tests under the address, thread and undefined behaviour sanitizers"
	@echo "make fuzz       readers of files and prompts on random inputs, 60 s each (FUZZ=…)"
	@echo "make gates      formatting, layers, circles, dead code, doc comments, units: what needs nothing built"
	@echo "make check      the gates, the tests, the DocC pages, an installation, benchmarks, kernels of other processors"
	@echo "make docs       the DocC pages of every library module, warnings as errors"
	@echo "make test-sets  networks and pictures in every set of instructions (SETS=…)"
	@echo "make build      build the programs"
	@echo "make install    put them under PREFIX ($(PREFIX)); DESTDIR is honoured; needs make build"
	@echo "make uninstall  take them away again"
	@echo "make deb        a Debian package of what make install installs, in .build/deb; needs make build"
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

# Networks and pictures in every instruction set of x86-64. If the processor lacks one, the best below it is tested. AMX, where
# there is, is what `make test` runs on.
SETS ?= scalar avx2 avx512 avx512vnni avx512bf16
test-sets: setup
	@for set in $(SETS); do \
	  echo "SEGMOE_ISA=$$set" && \
	  SEGMOE_ISA=$$set scripts/test --filter 'PictureTests|NetworkTests|PrecisionTests|FamilyTests' || exit 1; \
	done

# A quarter of an hour; `make test` does the same with 66 kills.
KILLS ?= 1000
torture: setup
	@SEGMOE_KILLS=$(KILLS) scripts/test --filter KillTests && grep '^kill harness' .build/test.log

# The same around a PostgreSQL server: it, pgbouncer, connections and the network die, too. A run that was interrupted goes on.
torture-server: setup
	@SEGMOE_SERVER_KILLS=$(KILLS) SEGMOE_KILL_JOURNAL=$(CURDIR)/.build/server-kills \
	  scripts/test --filter ServerKillTests && grep '^server kill harness' .build/test.log

# `make sanitize SANITIZERS=thread` runs one of them.
SANITIZERS ?= address thread undefined
sanitize: setup
	@scripts/sanitize $(SANITIZERS)

# All readers at once, FUZZ seconds each. After a crash, the folder holds the current case of each reader.
FUZZ ?= 60
FUZZ_FOLDER := $(CURDIR)/.build/fuzz
fuzz: setup
	@rm -rf $(FUZZ_FOLDER) && mkdir -p $(FUZZ_FOLDER)
	@SEGMOE_FUZZ_SECONDS=$(FUZZ) SEGMOE_FUZZ_FOLDER=$(FUZZ_FOLDER) scripts/test --filter '/fuzzed' || \
	  { echo "fuzz: failed; the last cases (again with SEGMOE_FUZZ_CASE=…):" >&2; \
	    grep -H . $(FUZZ_FOLDER)/* >&2; exit 1; }
	@grep '^fuzz ' .build/test.log

# What needs nothing built.
gates:
	swift format lint --strict --recursive --parallel $(SOURCES)
	scripts/check-layers
	scripts/check-layers --self-test
	scripts/check-circles
	scripts/check-circles --self-test
	scripts/check-dead-code
	scripts/check-dead-code --self-test
	scripts/check-docs
	scripts/check-docs --self-test
	scripts/check-systemd
	scripts/check-systemd --self-test

# Warnings are errors. 69 is the answer of a check that lacks a package, and says which.
check: export WARNINGS_ARE_ERRORS = 1
check: setup gates
	@scripts/test
	scripts/build-docs
	scripts/check-install
	scripts/check-deb
	scripts/check-benchmarks
	scripts/check-benchmarks --self-test
	scripts/check-avx512 || [ $$? -eq 69 ]
	scripts/check-avx512 --self-test || [ $$? -eq 69 ]
	scripts/check-arm || [ $$? -eq 69 ]
	scripts/check-arm --self-test || [ $$? -eq 69 ]

docs: setup
	@scripts/build-docs

format: setup
	swift format --in-place --recursive --parallel $(SOURCES)

# Builds nothing, because it may run as root, and root should not compile. `make install BIN=DIR` takes finished
# programs from another folder. Manual pages and completions are what the programs say of themselves.
# (A completion is read by the shell, so it names no interpreter.)
install:
	@bin="$(BIN)" && bin=$${bin:-$$(swift build $(SWIFT_BUILD) --show-bin-path)} && \
	for program in $(PROGRAMS); do \
	  test -x "$$bin/$$program" || { echo "install: no $$bin/$$program: run 'make build' first" >&2; exit 1; }; \
	done && \
	install -d $(bindir) $(docdir)/docs/schemas $(libdir)/systemd/system $(libdir)/sysusers.d $(libdir)/tmpfiles.d $(confdir) \
	  $(mandir) $(bashdir) $(zshdir) $(fishdir) && \
	for program in $(PROGRAMS); do install -m 755 "$$bin/$$program" $(bindir)/ || exit 1; done
	@for program in $(PROGRAMS); do \
	  scripts/make-manual $(bindir)/$$program >$(mandir)/$$program.1 && \
	  $(bindir)/$$program --generate-completion-script bash | sed '1{/^#!/d}' >$(bashdir)/$$program && \
	  $(bindir)/$$program --generate-completion-script zsh >$(zshdir)/_$$program && \
	  $(bindir)/$$program --generate-completion-script fish >$(fishdir)/$$program.fish && \
	  chmod 644 $(mandir)/$$program.1 $(bashdir)/$$program $(zshdir)/_$$program $(fishdir)/$$program.fish || exit 1; \
	done
	install -m 644 $(PAGES) $(docdir)/
	install -m 644 $(filter-out docs/schemas,$(wildcard docs/*)) $(docdir)/docs/
	install -m 644 docs/schemas/* $(docdir)/docs/schemas/
	for file in $(DEPLOYMENT); do install -D -m 644 $$file $(docdir)/$$file || exit 1; done
	for unit in $(UNITS); do \
	  sed 's|/usr/local/|$(PREFIX)/|g' systemd/$$unit >$(libdir)/systemd/system/$$unit && \
	  chmod 644 $(libdir)/systemd/system/$$unit || exit 1; \
	done
	install -m 644 systemd/segmoed.sysusers $(libdir)/sysusers.d/segmoed.conf
	install -m 644 systemd/segmoed.tmpfiles $(libdir)/tmpfiles.d/segmoed.conf
	for file in $(EXAMPLES); do install -m 644 systemd/$$file $(confdir)/$$file.example || exit 1; done
	@echo "As a service: systemd-sysusers && systemd-tmpfiles --create && systemctl enable --now segmoed"

# Keeps what people made: the user segmoe, /var/lib/segmoe and the configuration.
uninstall:
	rm -f $(addprefix $(bindir)/,$(PROGRAMS)) $(addprefix $(libdir)/systemd/system/,$(UNITS))
	rm -f $(libdir)/sysusers.d/segmoed.conf $(libdir)/tmpfiles.d/segmoed.conf
	rm -f $(patsubst %,$(confdir)/%.example,$(EXAMPLES))
	rmdir $(confdir) 2>/dev/null || true
	rm -f $(foreach program,$(PROGRAMS),$(mandir)/$(program).1 $(bashdir)/$(program) $(zshdir)/_$(program) \
	  $(fishdir)/$(program).fish)
	rm -rf $(docdir)

# Takes finished programs, as install does (BIN=DIR).
deb:
	@BIN="$(BIN)" scripts/make-deb

clean:
	rm -rf .build .build-demo
