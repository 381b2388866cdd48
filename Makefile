# SPDX-License-Identifier: GPL-2.0
#
# What a user can ask for. What is built is in Kbuild.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) \
	$(if $(KUNIT),CONFIG_IO_PGTABLE_SAFE_KUNIT_TEST=m) \
	$(if $(SAMPLE),CONFIG_IO_PGTABLE_SAFE_SAMPLE=m)

.PHONY: modules modules_install clean help demo check check-arm64 drivers-report drivers-convert \
	htmldocs bench bench-plots mutants coverage soak

modules:
	@scripts/check-kernel "$(KDIR)"
	+$(kbuild) modules

modules_install:
	@scripts/check-kernel --quiet "$(KDIR)"
	+$(kbuild) $@

# What kbuild leaves behind, by name: the headers may be gone by now.
clean:
	@find . -path ./.git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o \
		-name '*.mod.c' -o -name '.*.cmd' -o -name '.*.d' -o -name modules.order -o \
		-name Module.symvers \) -type f -exec rm -f {} +
	@rm -rf Documentation/output

# One of the two names is easily taken for the other.
versions = $(or $(KERNEL),$(KERNELS))

demo:
	@scripts/deps build
	@for version in $(or $(versions),6.12); do scripts/uml demo $$version || exit; done

check:
	@KERNELS="$(versions)" scripts/check

check-arm64:
	@scripts/deps emulator
	@for version in $(or $(versions),6.12); do scripts/arm64 judge $$version || exit; done

drivers-report:
	@scripts/deps cocci
	@KERNELS="$(versions)" scripts/drivers-report

drivers-convert:
	@scripts/deps cocci emulator
	@KERNELS="$(versions)" scripts/drivers-convert

htmldocs:
	@scripts/deps docs
	@scripts/htmldocs

bench:
	@scripts/deps build emulator
	@for version in $(or $(versions),7.3); do scripts/bench run $$version || exit; done

bench-plots:
	@scripts/deps plots
	@scripts/bench plots $(or $(lastword $(versions)),7.3)

mutants:
	@scripts/deps build mutants
	@for version in $(or $(versions),7.3); do scripts/mutants $$version $(MUTANTS) || exit; done

coverage:
	@scripts/deps build
	@for version in $(or $(versions),7.3); do scripts/coverage $$version || exit; done

soak:
	@scripts/deps build
	@for version in $(or $(versions),7.3); do scripts/uml soak $$version || exit; done

help:
	@echo 'For the running kernel or another:'
	@echo 'make                  build io_pgtable_safe.ko'
	@echo 'make SAMPLE=1         ... and the sample driver sample_gpu.ko'
	@echo 'make KUNIT=1          ... and the KUnit suites (the kernel needs CONFIG_KUNIT)'
	@echo 'make modules_install  install what was built'
	@echo 'make clean            remove what was built'
	@echo 'Variables: KVER=<release> or KDIR=<kernel build directory>, INSTALL_MOD_PATH,'
	@echo 'ARCH, CROSS_COMPILE.'
	@echo ''
	@echo 'On kernels of their own, in User Mode Linux and QEMU; nothing touches the running one:'
	@echo 'make demo             watch the sample driver meet every outcome of a map'
	@echo 'make check            run all tests and checks'
	@echo 'make check-arm64      only the hardware walkers, on a stock arm64 kernel in QEMU'
	@echo 'make drivers-report   mistakes that drivers in the kernel make with io-pgtable'
	@echo 'make drivers-convert  panfrost, panthor and msm moved to this module, built and tested'
	@echo 'make bench            measure what the checks cost, and count instructions: five'
	@echo '                      minutes; the machine should have nothing else to do'
	@echo 'make bench-plots      put what make bench measured last into the documentation'
	@echo 'make mutants          change the module in thousands of places, a boot for each:'
	@echo '                      do the tests notice? A sample: MUTANTS="every=20"'
	@echo 'make coverage         lines and branches of the module that the tests run'
	@echo 'make soak             random calls on each format, SOAK_OPS=10000000 of them;'
	@echo '                      SOAK_SEED=1 for those of another run. These three: 7.3'
	@echo 'make htmldocs         build Documentation/output/index.html'
	@echo 'Variables: KERNELS="6.1 6.12 7.3", one or more of them, else 6.12 (drivers-report,'
	@echo '-convert: also 7.3; bench: 7.3, not 6.1); BENCH_ARGS="only=sg batches=500" and'
	@echo 'BENCH_BOOTS=1 for bench. Packages that are missing are installed if you are root,'
	@echo 'and named if not.'
