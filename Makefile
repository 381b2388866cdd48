# SPDX-License-Identifier: GPL-2.0
#
# What a user can ask for. What is built is in Kbuild.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build

# The headers of a kernel with BTF want pahole, and do not bring it.
no-btf := $(if $(shell command -v pahole 2>/dev/null),,no-btf)

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) \
	$(if $(KUNIT),CONFIG_IO_PGTABLE_SAFE_KUNIT_TEST=m) \
	$(if $(SAMPLE),CONFIG_IO_PGTABLE_SAFE_SAMPLE=m) \
	$(if $(no-btf),CONFIG_DEBUG_INFO_BTF_MODULES=)

# depmod and modinfo are not in every user's PATH.
sbin := PATH="$$PATH:/usr/sbin:/sbin"

# What the kernel calls itself. kernel.release of Debian's headers of 6.1 is something else.
release = $(or $(shell sed -n 's/.* UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h 2>/dev/null),$(KVER))
# Where modules_install puts modules: extra up to 6.2, later updates.
moddirs = $(addprefix $(INSTALL_MOD_PATH)/lib/modules/$(release)/,$(or $(INSTALL_MOD_DIR),extra updates))
depmod = $(sbin) depmod $(if $(INSTALL_MOD_PATH),-b "$(INSTALL_MOD_PATH)") $(release)

# For drivers: the header, and for each kernel the symbols. DKMS keeps its sources there.
version := $(shell sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' io_pgtable_safe.c)
headers = $(INSTALL_MOD_PATH)/usr/src/io_pgtable_safe-$(version)

.PHONY: all modules built modules_install install install-headers uninstall clean distclean clean-cache help \
	demo check check-arm64 check-tsan drivers-report drivers-convert htmldocs bench bench-plots \
	mutants coverage soak deb patch

all: modules

modules:
	@scripts/check-kernel "$(KDIR)" $(if $(KUNIT),kunit) $(if $(SAMPLE),sample) $(no-btf)
	+$(kbuild) modules

built:
	@[ -e io_pgtable_safe.ko ] || { echo "error: build the module first: make" >&2; exit 1; }

modules_install: built
	@scripts/check-kernel --quiet "$(KDIR)"
	+$(kbuild) $@

# kbuild runs depmod itself only where it finds System.map, which headers lack.
install: modules_install
	$(depmod)

install-headers: built
	@scripts/check-kernel --quiet "$(KDIR)"
	@built=$$($(sbin) modinfo -F vermagic io_pgtable_safe.ko | cut -d' ' -f1); \
	[ "$$built" = "$(release)" ] || { echo "error: the module was built for $$built, not for" \
		"$(release): run make for that kernel first" >&2; exit 1; }
	@scripts/headers add "$(headers)" $(release) Module.symvers

# Not what dkms has installed: it keeps account of that.
uninstall:
	@for dir in $(moddirs); do \
		[ ! -d "$$dir" ] || find "$$dir" -path '*/dkms' -prune -o -type f \
			\( -name 'io_pgtable_safe.ko*' -o -name 'io_pgtable_safe_kunit.ko*' -o \
			-name 'sample_gpu.ko*' \) -print -exec rm -f {} +; \
	done
	@scripts/headers remove "$(headers)" $(release)
	@[ ! -d "$(INSTALL_MOD_PATH)/lib/modules/$(release)" ] || $(depmod)

# What kbuild leaves behind, by name: the headers may be gone by now.
clean:
	@find . -path ./.git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o \
		-name '*.mod.c' -o -name '.*.cmd' -o -name '.*.d' -o -name modules.order -o \
		-name Module.symvers \) -type f -exec rm -f {} +
	@rm -rf Documentation/output

# And what editors, patch and Python leave.
distclean: clean
	@find . -path ./.git -prune -o \( -name '*~' -o -name '*.orig' -o -name '*.rej' -o \
		-name '*.pyc' \) -type f -exec rm -f {} +
	@find . -depth -name __pycache__ -type d -exec rmdir {} +

clean-cache:
	@scripts/clean-cache

# One of the two names is easily taken for the other. Each recipe is a single command,
# without a shell that would not pass on a signal.
versions = $(or $(KERNEL),$(KERNELS))

demo:
	@scripts/uml demo $(versions)

check:
	@scripts/check $(versions)

check-arm64:
	@scripts/arm64 judge $(versions)

check-tsan:
	@scripts/tsan

drivers-report:
	@scripts/drivers-report $(versions)

drivers-convert:
	@scripts/drivers-convert $(versions)

htmldocs:
	@scripts/htmldocs

bench:
	@scripts/bench run $(versions)

bench-plots:
	@scripts/bench plots $(lastword $(versions))

mutants:
	@scripts/mutants $(versions) $(MUTANTS)

coverage:
	@scripts/coverage $(versions)

soak:
	@scripts/uml soak $(or $(versions),7.3)

deb:
	@scripts/deb

patch:
	@scripts/patch $(versions)

help:
	@echo 'For the running kernel or another:'
	@echo 'make                  build io_pgtable_safe.ko'
	@echo 'make SAMPLE=1         ... and the sample driver sample_gpu.ko'
	@echo 'make KUNIT=1          ... and the KUnit suites (the kernel needs CONFIG_KUNIT)'
	@echo 'make install          install what was built, and run depmod'
	@echo 'make modules_install  the first half of that'
	@echo 'make install-headers  install the header and the symbols for drivers, in'
	@echo '                      /usr/src/io_pgtable_safe-VERSION'
	@echo 'make uninstall        remove what these have installed, and run depmod'
	@echo 'make clean            remove what was built'
	@echo 'make distclean        ... and what editors, patch and Python leave here'
	@echo 'Variables:'
	@echo 'KVER=RELEASE          another kernel that is installed on this machine'
	@echo 'KDIR=DIR              another kernel: where it was built, or its headers'
	@echo 'INSTALL_MOD_PATH=DIR  the root that all is installed below'
	@echo 'INSTALL_MOD_DIR=NAME  a directory other than extra or updates for the modules'
	@echo 'ARCH, CROSS_COMPILE   as for the kernel itself'
	@echo ''
	@echo 'On kernels of their own, in User Mode Linux and QEMU, not the running one:'
	@echo 'make demo             watch the sample driver meet every outcome of a map'
	@echo 'make check            run all tests and checks; of the suites only some:'
	@echo "                      scripts/uml kunit 7.3 'io_pgtable_safe_cut*'"
	@echo 'make check-arm64      only the hardware walkers, on a stock arm64 kernel in QEMU'
	@echo 'make check-tsan       only the record of what is mapped, in user space under'
	@echo '                      ThreadSanitizer'
	@echo 'make drivers-report   mistakes that drivers in the kernel make with io-pgtable'
	@echo 'make drivers-convert  panfrost, panthor and msm moved over, built and tested'
	@echo 'make bench            measure what the checks cost, and count instructions: five'
	@echo '                      minutes; the machine should have nothing else to do'
	@echo 'make bench-plots      put what make bench measured last into the documentation'
	@echo 'make mutants          change the module in thousands of places, a boot for each:'
	@echo '                      do the tests notice? Hours; MUTANTS="every=20" for some'
	@echo 'make coverage         lines and branches of the module that the tests run'
	@echo 'make soak             random calls on each format, SOAK_OPS=10000000 of them;'
	@echo '                      SOAK_SEED=1 repeats those of another run'
	@echo 'make deb              build the Debian package io-pgtable-safe-dkms'
	@echo 'make patch            write the module as patches for a kernel tree, KERNEL=7.3'
	@echo '                      or 6.12, to be applied with git am'
	@echo 'make htmldocs         build Documentation/output/index.html'
	@echo 'make clean-cache      remove what these keep in ~/.cache/io_pgtable_safe (or'
	@echo '                      XDG_CACHE_HOME), for all clones of this project: sources,'
	@echo '                      builds, logs, the results of make bench'
	@echo 'Variables:'
	@echo 'KERNELS="6.1 6.12 7.3"  one or more of these kernels. Without it: 6.12 and 7.3'
	@echo '                      for drivers-report and drivers-convert; 7.3 for bench,'
	@echo '                      mutants, coverage, soak and patch; 6.12 for the others.'
	@echo '                      No bench and no patch for 6.1'
	@echo 'BENCH_ARGS="only=sg batches=500", BENCH_BOOTS=1  for bench'
	@echo 'JOBS=N                at most so many processes of a build; all CPUs without it'
	@echo 'Packages that are missing are installed if you are root, else named.'
