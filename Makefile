# rmfer: one program, one Makefile. `make help` lists what can be made.

CC      ?= cc
PREFIX  ?= /usr/local
BUILD   ?= build
SAN     ?=
PKG_CONFIG ?= pkg-config

VERSION := 0.1.0

# ---- what it is built on ----------------------------------------------------------------------------------------
# pkg-config name : Debian/Ubuntu package
REQUIRED := libjpeg:libjpeg-dev libpng:libpng-dev openblas:libopenblas-dev libcjson:libcjson-dev \
            libzip:libzip-dev
VIDEO    := libavformat:libavformat-dev libavcodec:libavcodec-dev libavutil:libavutil-dev libswscale:libswscale-dev
# make MPI=1 trains over several machines with Open MPI or, where that is not, MPICH.
MPI      ?=
OPENMPI  := ompi-c:libopenmpi-dev
# Each for one more kind of pictures.
TIFF     := libtiff-4:libtiff-dev
GIF      := libgif:libgif-dev
WEBP     := libwebp:libwebp-dev libwebpdemux:libwebp-dev
# Figures as PNG.
CAIRO    := cairo:libcairo2-dev
TESTING  := cmocka:libcmocka-dev

name_of    = $(firstword $(subst :, ,$(1)))
package_of = $(lastword $(subst :, ,$(1)))
missing    = $(foreach pair,$(1),$(shell $(PKG_CONFIG) --exists $(call name_of,$(pair)) 2>/dev/null || echo $(pair)))
packages   = $(foreach pair,$(1),$(call package_of,$(pair)))
modules    = $(foreach pair,$(1),$(call name_of,$(pair)))

MISSING_REQUIRED := $(call missing,$(REQUIRED))
MISSING_TESTING  := $(call missing,$(TESTING))
if_there  = $(if $(strip $(call missing,$(1))),,$(1))
HAVE_VIDEO := $(call if_there,$(VIDEO))
# 4.5 is the first whose messages need no global handler.
HAVE_TIFF  := $(shell $(PKG_CONFIG) --exists 'libtiff-4 >= 4.5' 2>/dev/null && echo $(TIFF))
HAVE_GIF   := $(call if_there,$(GIF))
HAVE_WEBP  := $(call if_there,$(WEBP))
HAVE_CAIRO := $(call if_there,$(CAIRO))
OPTIONAL   := $(HAVE_VIDEO) $(HAVE_TIFF) $(HAVE_GIF) $(HAVE_WEBP) $(HAVE_CAIRO)
MPI_PACKAGES := libopenmpi-dev openmpi-bin
ALL_PACKAGES := $(sort gcc make pkg-config $(if $(MPI),$(MPI_PACKAGES)) $(call packages,$(REQUIRED) $(VIDEO) $(TIFF) $(GIF) $(WEBP) $(CAIRO) $(TESTING)))

# One short line a file; V=1 shows the commands.
ifeq ($(V),)
Q := @
say = @echo '  $(1)	$(2)';
endif

# What a target makes by itself it makes on every core, unless -j was given, which make tells only when a recipe asks.
PARALLEL = $(if $(filter -j%,$(MFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))

# ---- flags --------------------------------------------------------------------------------------------------------
# -ffp-contract=off keeps the portable kernels the same on every compiler; never -ffast-math (NaN guards would die).
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
OPTIMISE := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O3 -fno-math-errno -fno-trapping-math) -ffp-contract=off
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
# Against what a hole in a parser would be used for; HARDEN= builds without. The fast paths do not pay (docs/reliability.md).
HARDEN   ?= 1
ifneq ($(and $(HARDEN),$(if $(SAN),,1)),)
HARDEN_CFLAGS  := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIE
HARDEN_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack
endif
LIBRARIES := $(call modules,$(REQUIRED) $(OPTIONAL))
FEATURES := $(if $(HAVE_VIDEO),-DRMFER_HAVE_FFMPEG) $(if $(HAVE_TIFF),-DRMFER_HAVE_TIFF) \
            $(if $(HAVE_GIF),-DRMFER_HAVE_GIF) $(if $(HAVE_WEBP),-DRMFER_HAVE_WEBP) \
            $(if $(HAVE_CAIRO),-DRMFER_HAVE_CAIRO)

# Its flags: pkg-config's, or what mpicc says it would do.
ifneq ($(MPI),)
MPI_MODULE := $(firstword $(foreach module,ompi-c mpich,$(if $(call missing,$(module)),,$(module))))
MPI_SHOWN  := $(if $(MPI_MODULE),,$(shell mpicc -show 2>/dev/null))
MPI_CFLAGS := $(patsubst -I%,-isystem %,$(if $(MPI_MODULE),$(shell $(PKG_CONFIG) --cflags $(MPI_MODULE)),$(filter -I%,$(MPI_SHOWN))))
MPI_LIBS   := $(if $(MPI_MODULE),$(shell $(PKG_CONFIG) --libs $(MPI_MODULE)),$(filter -L% -l% -Wl%,$(MPI_SHOWN)))
MISSING_MPI := $(if $(MPI_LIBS),,$(OPENMPI))
endif
TRANSPORT := src/dist/transport_$(if $(MPI),mpi,single).c

CPPFLAGS += -Iinclude -Isrc -D_POSIX_C_SOURCE=200809L -DRMFER_VERSION='"$(VERSION)"' $(FEATURES) $(EXTRA_DEFINES)
BASE_CFLAGS := -std=c11 -g $(OPTIMISE) $(SANITIZE) $(HARDEN_CFLAGS) $(WARNINGS) -fopenmp -pthread
LDFLAGS += $(HARDEN_LDFLAGS)
ifneq ($(LIBRARIES),)
LIBRARY_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(LIBRARIES) 2>/dev/null))
LIBRARY_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBRARIES) 2>/dev/null)
endif
LDLIBS += $(LIBRARY_LIBS) -lm

# ---- sources ------------------------------------------------------------------------------------------------------
# Instruction-set files are built with their own flags, and only where the compiler targets that processor family.
MACHINE := $(shell $(CC) -dumpmachine | cut -d- -f1)
ifneq ($(filter x86_64 amd64,$(MACHINE)),)
ISA_SOURCES := src/kern/kernels_avx2.c src/kern/kernels_avx512.c
endif
ifneq ($(filter aarch64 arm64,$(MACHINE)),)
ISA_SOURCES := src/kern/kernels_neon.c
endif
ISA_FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
ISA_FLAGS_avx2   := -mavx2 -mfma -mf16c

comma    := ,
# Objects are the same with MPI and without, but for the transport, whose two have names of their own; what is linked is not.
OBJ      := $(BUILD)/$(if $(SAN),$(subst $(comma),-,$(SAN)),release)$(VARIANT)
OUT      := $(OBJ)$(if $(MPI),-mpi)
SOURCES  := $(filter-out src/main.c $(wildcard src/kern/kernels_avx*.c src/dist/transport_*.c) src/kern/kernels_neon.c,$(wildcard src/*/*.c)) $(wildcard $(ISA_SOURCES)) $(TRANSPORT)
# The presets of configs/ become strings inside the program.
PRESETS  := $(sort $(wildcard configs/*.ini))
SOURCES  += $(BUILD)/generated/presets.c
OBJECTS  := $(SOURCES:%.c=$(OBJ)/%.o)
# The copy in double precision that the gradient tests link: mathematics only (and the index that a method asks who is where),
# portable kernels only.
DOUBLE_SOURCES := $(filter src/base/% src/kern/% src/ops/% src/nn/% src/dist/% src/method/% src/data/rmset_index% \
                    src/data/picture_file% src/data/permutation%,$(filter-out $(ISA_SOURCES),$(SOURCES)))
DOUBLE_OBJECTS := $(DOUBLE_SOURCES:%.c=$(OBJ)/double/%.o)

TESTS        := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/test_*.c))
DOUBLE_TESTS := $(patsubst tests/double/%.c,$(OUT)/tests/double/%,$(wildcard tests/double/test_*.c))
TEST_SUPPORT := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/support/*.c))
DOUBLE_SUPPORT := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/double/support/*.c))
# What tests/cli_faults.sh puts before the C library, which a sanitizer would be in the way of, and what replays its records.
FAULTS       := $(if $(SAN),,$(OUT)/tests/libfaults.so $(OUT)/tests/power_loss)
# Over several processes, in float and, but for those about pictures and whole runs, in double (make check-mpi).
MANY_TESTS   := $(filter-out $(OUT)/tests/double/many/test_data_% $(OUT)/tests/double/many/test_train_%,\
                  $(foreach kind,tests tests/double,$(patsubst tests/many/%.c,$(OUT)/$(kind)/many/%,$(wildcard tests/many/test_*.c))))
MANY_SUPPORT := $(wildcard tests/many/support/*.c)
FUZZERS      := $(patsubst tests/fuzz/%.c,$(OUT)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all help test check check-arm check-mpi many-tests check-sanitized run-sanitized check-threads run-threads deps-ci bench demo deps detector install uninstall dist fuzz sign-flip format check-format clean need-build need-test tests
all: rmfer

help:
	@echo 'make            the program, ./rmfer'
	@echo 'make deps       install the libraries it is built on (apt, with or without sudo)'
	@echo 'make MPI=1      the same for training over several machines (Open MPI or MPICH; docs/many-machines.md)'
	@echo 'make test       all set-up, then every test'
	@echo 'make demo       all set-up, then draw faces, train both phases, evaluate and predict'
	@echo 'make detector   get the face detector (YuNet, Apache-2.0) into models/'
	@echo 'make bench      kernels beside plain C; training, inference and pictures; beside PyTorch, ONNX Runtime, Pillow where installed'
	@echo 'make rmset-scale  the RMset index with 45 million rows'
	@echo 'make install    program, manual page and configs to PREFIX ($(PREFIX))'
	@echo 'make dist       rmfer-$(VERSION).tar.gz of what is committed'
	@echo 'make SAN=address|undefined|thread [test]   the same with a sanitizer'
	@echo 'make check-arm  the kernels of 64-bit Arm under an emulator'
	@echo 'make check-sanitized  the test programs under the sanitizers'
	@echo 'make check-threads  what has threads of its own under the thread sanitizer'
	@echo 'make check-mpi  training over several processes of this machine, where mpirun is'
	@echo 'make fuzz SECONDS=10  the fuzz targets (clang, libFuzzer), each for so long'
	@echo 'make sign-flip  turns signs of formulas round, one by one: the tests must fail'
	@echo 'make format     sets the sources out (clang-format 14); make check-format says whether they are'
	@echo 'make clean      removes what was built'

# ---- what it was built with -----------------------------------------------------------------------------------------
# Written only where it differs from last time: a compiler, a flag or a library that was installed since makes objects anew.
BUILT_WITH := $(CC) | $(CPPFLAGS) | $(BASE_CFLAGS) $(ISA_FLAGS_avx512) $(ISA_FLAGS_avx2) | $(LIBRARY_CFLAGS) | $(CFLAGS) | $(LDFLAGS) | $(LDLIBS)
$(OBJ)/flags: export WANTED := $(BUILT_WITH)
# The transport alone is built with MPI's.
LDLIBS += $(MPI_LIBS)
$(OBJ)/mpi: export WANTED := $(MPI_CFLAGS) | $(MPI_LIBS)
# One file alone knows where `make install` puts things, which often is said for that one target.
$(OBJ)/prefix: export WANTED := $(PREFIX)
# A file that was removed is newer than nothing: these lists tell that it went.
$(OUT)/sources: export WANTED := $(SOURCES)
$(BUILD)/generated/presets: export WANTED := $(PRESETS)
$(OBJ)/src/cmd/lookup.o: CPPFLAGS += -DRMFER_PREFIX='"$(PREFIX)"'
$(OBJ)/src/cmd/lookup.o: $(OBJ)/prefix

$(OBJ)/flags $(OBJ)/mpi $(OBJ)/prefix $(OUT)/sources $(BUILD)/generated/presets: always
	@mkdir -p $(@D)
	@printf '%s\n' "$$WANTED" | cmp -s - $@ || printf '%s\n' "$$WANTED" >$@

.PHONY: always
always:

# ---- the program ----------------------------------------------------------------------------------------------------
# That of this SAN and MPI, also where one of others was built since.
rmfer: $(OUT)/rmfer always
	@cmp -s $< $@ || ln -f $< $@ 2>/dev/null || cp $< $@

# Everything that is needed, with LIBRARIES beside those of all: $(call link,LIBRARIES).
define link
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_CFLAGS) $(LDFLAGS) -o $@ $^ $(1) $(LDLIBS)
endef

$(OUT)/rmfer: $(OBJ)/src/main.o $(OUT)/librmfer.a
	$(call link)

$(OUT)/librmfer.a: $(OBJECTS) $(OUT)/sources
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $(OBJECTS)

$(OUT)/librmfer_double.a: $(DOUBLE_OBJECTS) $(OUT)/sources
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $(DOUBLE_OBJECTS)

$(OBJ)/double/%.o: %.c $(OBJ)/flags | need-build
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -DRMFER_DOUBLE $(BASE_CFLAGS) $(LIBRARY_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The thread sanitizer asks after every access. Kernels have no threads, and whoever calls them is asked: spared, its tests end.
$(OBJ)/src/kern/kernels_%.o: src/kern/kernels_%.c $(OBJ)/flags | need-build
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(ISA_FLAGS_$*) $(if $(filter thread,$(SAN)),-fno-sanitize=thread) $(CFLAGS) -MMD -MP -c -o $@ $<

# The only files that see MPI's headers.
TRANSPORT_MPI := $(OBJ)/src/dist/transport_mpi.o $(OBJ)/double/src/dist/transport_mpi.o
$(TRANSPORT_MPI): LIBRARY_CFLAGS += $(MPI_CFLAGS)
$(TRANSPORT_MPI): $(OBJ)/mpi

$(OBJ)/%.o: %.c $(OBJ)/flags | need-build
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(LIBRARY_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/generated/presets.c: $(PRESETS) $(BUILD)/generated/presets scripts/embed_presets.sh
	@mkdir -p $(@D)
	sh scripts/embed_presets.sh $(PRESETS) > $@.tmp && mv $@.tmp $@

need-build:
	@if [ -n "$(strip $(MISSING_MPI))" ]; then \
	  echo "rmfer: MPI=1 needs Open MPI or MPICH (Debian/Ubuntu: $(MPI_PACKAGES)): 'make deps MPI=1' installs it"; exit 1; fi
	@if [ -n "$(strip $(MISSING_REQUIRED))" ]; then \
	  echo "rmfer: missing: $(call modules,$(MISSING_REQUIRED)) (Debian/Ubuntu: $(call packages,$(MISSING_REQUIRED)))"; \
	  echo "rmfer: 'make deps' installs them"; exit 1; fi

deps:
	@sh scripts/install_deps.sh $(ALL_PACKAGES)

# ---- tests ----------------------------------------------------------------------------------------------------------
# What is missing is installed first, in a make of its own, because this one has already looked.
test:
	@if [ -n "$(strip $(MISSING_REQUIRED) $(MISSING_TESTING))" ]; then $(MAKE) --no-print-directory deps; fi
	@$(MAKE) --no-print-directory $(PARALLEL) check

check: rmfer tests
	@sh tests/check_layers.sh $(OBJ)
	@sh tests/run.sh $(OUT) $(TESTS) $(DOUBLE_TESTS)

tests: $(TESTS) $(DOUBLE_TESTS) $(FAULTS)

# The test programs, and the scripts that meet the most foreign input, under the address and undefined-behaviour
# sanitizers, which also look for leaks where they can: not under a debugger, nor in some containers.
SANITIZED_SCRIPTS := tests/cli_basic.sh tests/cli_config.sh tests/cli_lookup.sh
# All but six that take minutes there: the walks through every method's runs and through whole runs of the trainer (each method's step,
# the learner and fuzz_resume meet the same code), importing whole networks and the detector's (test_ckpt_hostile and the fuzzer meet
# the same readers, faces_pipeline the same network), and drawing mashup videos; and the two longest of the gradients', which have
# single-precision tests of the same code beside them.
SLOW_SANITIZED := train_every_method train_run golden_training ckpt_import nn_detector synth_video
SANITIZED_TESTS := $(filter-out $(SLOW_SANITIZED:%=\%/test_%),$(TESTS)) \
  $(filter-out %/test_method_rmfer %/test_nn_backbone,$(DOUBLE_TESTS))
check-sanitized:
	@$(MAKE) --no-print-directory $(PARALLEL) SAN=address,undefined run-sanitized

run-sanitized: $(OUT)/rmfer tests
	@leaks=1; ASAN_OPTIONS=detect_leaks=1 $(OUT)/rmfer --version >/dev/null 2>&1 || \
	  { echo 'leaks are not looked for: the sanitizer cannot do so here'; leaks=0; }; \
	RMFER=$(CURDIR)/$(OUT)/rmfer SCRIPTS="$(SANITIZED_SCRIPTS)" ASAN_OPTIONS=detect_leaks=$$leaks \
	  sh tests/run.sh $(OUT) $(SANITIZED_TESTS)

# Loader, faces pipeline, builder and trainer under the thread sanitizer. The compiler's OpenMP is not built for it, so that its
# regions run on one thread each; that workers share nothing is what tests/test_ops_paths.c shows, to the bit.
THREADED := data_loader data_stream data_rmset_index faces_pipeline faces_inputs rmset_build train_run train_learner
check-threads:
	@$(MAKE) --no-print-directory $(PARALLEL) SAN=thread run-threads
run-threads: $(THREADED:%=$(OUT)/tests/test_%)
	@SCRIPTS= OMP_THREAD_LIMIT=1 sh tests/run.sh $(OUT) $^

# Training over several processes, here all on this machine: built with MPI, started by mpirun.
many-tests: $(MANY_TESTS)
check-mpi:
	@if ! command -v mpirun >/dev/null 2>&1; then \
	  echo 'skipped: several processes, for which mpirun is missing (make deps MPI=1 installs it)'; \
	else \
	  $(MAKE) --no-print-directory $(PARALLEL) MPI=1 many-tests $(BUILD)/release-mpi/rmfer $(BUILD)/release-mpi/tests/test_golden_training && sh tests/many/run.sh $(BUILD)/release-mpi; \
	fi

# What .ci/run needs beyond `make test`.
deps-ci:
	@sh scripts/install_deps.sh $(ALL_PACKAGES) clang clang-format

TEST_LIBS = $(shell $(PKG_CONFIG) --cflags --libs cmocka)

$(OBJ)/tests/double/%.o: tests/double/%.c $(OBJ)/flags | need-build
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -Itests -DRMFER_DOUBLE $(BASE_CFLAGS) $(LIBRARY_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/tests/%.o: tests/%.c $(OBJ)/flags | need-build
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(BASE_CFLAGS) $(LIBRARY_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/tests/many/%: $(OBJ)/tests/many/%.o $(MANY_SUPPORT:%.c=$(OBJ)/%.o) $(OUT)/librmfer.a
	$(call link)

$(OBJ)/tests/double/many/%.o: tests/many/%.c $(OBJ)/flags | need-build
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -Itests -DRMFER_DOUBLE $(BASE_CFLAGS) $(LIBRARY_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/tests/double/many/%: $(OBJ)/tests/double/many/%.o $(patsubst tests/%.c,$(OBJ)/tests/double/%.o,$(MANY_SUPPORT)) $(OUT)/librmfer_double.a
	$(call link)

$(DOUBLE_TESTS): $(OUT)/%: $(OBJ)/%.o $(DOUBLE_SUPPORT) $(OUT)/librmfer_double.a
	$(call link,$(TEST_LIBS))

$(TESTS): $(OUT)/%: $(OBJ)/%.o $(TEST_SUPPORT) $(OUT)/librmfer.a
	$(call link,$(TEST_LIBS))

$(OUT)/tests/libfaults.so: tests/faults/faults.c tests/faults/trace.h $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=c11 -O1 -g $(WARNINGS) -fPIC -shared -o $@ $< -ldl

$(OUT)/tests/power_loss: tests/faults/power_loss.c tests/faults/trace.h $(OUT)/librmfer.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(LIBRARY_CFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(OUT)/librmfer.a $(LDLIBS)

# The rooms that meet foreign bytes are built for the fuzzer; what they call above comes from the library.
FUZZED := $(filter src/base/% src/config/% src/data/% src/ckpt/% src/plot/% src/rmset/notes.c src/rmset/film_facts.c src/cmd/stored_accuracy.c \
            src/train/run_folder.c src/train/run_checkpoint.c src/method/moco.c src/method/consensus.c $(BUILD)/generated/%,$(SOURCES))

FUZZ_CC := clang -std=c11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJECTS := $(FUZZED:%.c=$(OUT)/fuzz/objects/%.o)
.SECONDARY: $(FUZZ_OBJECTS) # kept for the next run

$(OUT)/fuzz/objects/%.o: %.c $(OBJ)/flags | need-build
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link $(CPPFLAGS) $(LIBRARY_CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJECTS) $(OUT)/librmfer.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(CPPFLAGS) -Itests $(LIBRARY_CFLAGS) -MMD -MP -o $@ $< $(FUZZ_OBJECTS) $(OUT)/librmfer.a $(LDLIBS) -lgomp -pthread

# SECONDS for each target.
SECONDS ?= 10
fuzz:
	@$(MAKE) --no-print-directory $(PARALLEL) $(FUZZERS)
	@FUZZ_SECONDS=$(SECONDS) sh tests/fuzz/run.sh $(FUZZERS)

# The kernels of 64-bit Arm, built by a cross compiler and tested under an emulator (Debian: gcc-aarch64-linux-gnu,
# qemu-user, libcmocka-dev:arm64). Said and passed over where these are missing.
ARM_CC     ?= aarch64-linux-gnu-gcc
ARM_RUN    ?= qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=/usr/lib/aarch64-linux-gnu
ARM_CMOCKA ?= /usr/lib/aarch64-linux-gnu/libcmocka.so
ARM_SOURCES := $(filter-out src/base/json_reader.c,$(wildcard src/base/*.c)) src/kern/kernels.c src/kern/kernels_portable.c src/kern/kernels_neon.c

check-arm:
	@if ! command -v $(ARM_CC) >/dev/null || ! command -v qemu-aarch64 >/dev/null || [ ! -e $(ARM_CMOCKA) ]; then \
	  echo 'skipped: the Arm kernels, for which cross compiler, emulator or cmocka are missing'; \
	else \
	  mkdir -p $(OUT)/arm && \
	  $(ARM_CC) $(CPPFLAGS) -std=c11 -O2 -ffp-contract=off $(WARNINGS) -fopenmp -Itests -o $(OUT)/arm/test_kern_kernels \
	    tests/test_kern_kernels.c $(ARM_SOURCES) $(ARM_CMOCKA) -lm -pthread && \
	  OMP_NUM_THREADS=2 $(ARM_RUN) $(OUT)/arm/test_kern_kernels; \
	fi

# ---- the rest --------------------------------------------------------------------------------------------------------
# Every kernel is checked and timed beside the portable one; then the peers that are installed, ROUNDS times in turns.
bench: rmfer
	./rmfer bench --mode kernels
	./rmfer bench --mode train --batch 16
	./rmfer bench --mode infer --batch 8
	./rmfer bench --mode data
	sh scripts/compare_peers.sh $(ROUNDS)

demo:
	@if [ -n "$(strip $(MISSING_REQUIRED))" ]; then $(MAKE) --no-print-directory deps; fi
	@$(MAKE) --no-print-directory $(PARALLEL) rmfer
	@sh scripts/demo.sh

# YuNet's weights, which predict and rmset find there.
detector:
	@mkdir -p models
	@sh scripts/get_detector.sh models/yunet.onnx

# Minutes; not a part of `make test`. SHARE=K/N turns only every N-th sign, beginning with the K-th.
sign-flip: tests
	@SHARE=$(SHARE) sh scripts/check_sign_flip.sh

install: rmfer
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/man/man1" "$(DESTDIR)$(PREFIX)/share/rmfer/configs"
	install -m 755 rmfer "$(DESTDIR)$(PREFIX)/bin/rmfer"
	install -m 644 docs/rmfer.1 "$(DESTDIR)$(PREFIX)/share/man/man1/rmfer.1"
	install -m 644 configs/*.ini "$(DESTDIR)$(PREFIX)/share/rmfer/configs"
	for file in models/*.safetensors models/*.onnx; do \
	  if [ -e "$$file" ]; then install -m 644 "$$file" "$(DESTDIR)$(PREFIX)/share/rmfer"; fi; done
	install -D -m 644 scripts/rmfer.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/rmfer"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/rmfer" "$(DESTDIR)$(PREFIX)/share/man/man1/rmfer.1" \
	  "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/rmfer"
	rm -rf "$(DESTDIR)$(PREFIX)/share/rmfer"

# What git knows, as an archive with the version in its name.
dist:
	git archive --format=tar.gz --prefix=rmfer-$(VERSION)/ -o rmfer-$(VERSION).tar.gz HEAD

# Another version of the program breaks lines elsewhere. Its absence is said and is no failure.
CLANG_FORMAT := clang-format-14
format:
	$(CLANG_FORMAT) -i $$(git ls-files '*.c' '*.h')

check-format:
	@if ! command -v $(CLANG_FORMAT) >/dev/null 2>&1; then \
	  echo 'skipped: how the sources are set out, for which $(CLANG_FORMAT) is missing'; echo '0 passed, 0 failed, 1 skipped'; \
	elif $(CLANG_FORMAT) --dry-run -Werror $$(git ls-files '*.c' '*.h'); then echo '1 passed, 0 failed, 0 skipped'; \
	else echo "'make format' sets them out"; echo '0 passed, 1 failed, 0 skipped'; exit 1; fi

clean:
	rm -rf $(BUILD) rmfer

-include $(patsubst %.o,%.d,$(FUZZ_OBJECTS) $(OBJECTS) $(DOUBLE_OBJECTS) $(OBJ)/src/main.o $(TEST_SUPPORT) $(DOUBLE_SUPPORT)) \
  $(patsubst $(OUT)/%,$(OBJ)/%.d,$(TESTS) $(DOUBLE_TESTS) $(MANY_TESTS)) \
  $(MANY_SUPPORT:%.c=$(OBJ)/%.d) $(MANY_SUPPORT:tests/%.c=$(OBJ)/tests/double/%.d) $(FUZZERS:=.d) $(OUT)/tests/power_loss.d

# ---- measurements ----------------------------------------------------------------------------------------------------
.PHONY: layouts
layouts: $(OUT)/librmfer.a
	@mkdir -p $(OUT)/bench
	$(call say,CC,tests/bench/layouts.c)
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) -march=native $(LIBRARY_CFLAGS) -o $(OUT)/bench/layouts tests/bench/layouts.c $(OUT)/librmfer.a $(LDLIBS)
	OMP_NUM_THREADS=1 $(OUT)/bench/layouts

# The RMset index at the paper's size, in a folder of its own that is removed again; minutes, and 2.3 GB of room.
ROWS ?= 45000000
.PHONY: rmset-scale
rmset-scale: $(OUT)/librmfer.a
	@mkdir -p $(OUT)/bench
	$(call say,CC,tests/bench/rmset_index.c)
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(LIBRARY_CFLAGS) -o $(OUT)/bench/rmset_index tests/bench/rmset_index.c $(OUT)/librmfer.a $(LDLIBS)
	@folder=$$(mktemp -d) && { $(OUT)/bench/rmset_index $$folder $(ROWS); code=$$?; rm -rf $$folder; exit $$code; }
