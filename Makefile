# SPDX-License-Identifier: GPL-2.0
#
# What a user can ask for. What is built is in Kbuild.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) \
	$(if $(KUNIT),CONFIG_IO_PGTABLE_SAFE_KUNIT_TEST=m) \
	$(if $(SAMPLE),CONFIG_IO_PGTABLE_SAFE_SAMPLE=m)

.PHONY: modules modules_install clean help demo check check-arm64 htmldocs

modules:
	@scripts/check-kernel $(KDIR)
	$(kbuild) modules

modules_install clean:
	@scripts/check-kernel --quiet $(KDIR)
	$(kbuild) $@

demo:
	@scripts/deps build
	@scripts/uml demo $(KERNEL)

check:
	@scripts/check

check-arm64:
	@scripts/deps emulator
	@scripts/arm64 judge $(KERNEL)

htmldocs:
	@scripts/deps docs
	@scripts/htmldocs

help:
	@echo 'make                  build io_pgtable_safe.ko for the running kernel'
	@echo 'make SAMPLE=1         ... and the sample driver sample_gpu.ko'
	@echo 'make KUNIT=1          ... and the KUnit suites (the kernel needs CONFIG_KUNIT)'
	@echo 'make modules_install  install what was built'
	@echo 'make clean            remove what was built'
	@echo ''
	@echo 'make demo             watch the sample driver meet every outcome of a map'
	@echo 'make check            run all tests and checks'
	@echo 'make check-arm64      only the hardware walkers, on a stock arm64 kernel in QEMU'
	@echo 'make htmldocs         build Documentation/output/index.html'
	@echo ''
	@echo 'Variables of the first group: KVER=<release> or KDIR=<kernel build directory>,'
	@echo 'INSTALL_MOD_PATH, ARCH, CROSS_COMPILE. Of the second: KERNEL=<6.1|6.12|7.3> for'
	@echo 'demo, KERNELS="6.1 6.12 7.3" for check. The second group runs kernels of its own'
	@echo 'in User Mode Linux: it needs no root, and nothing touches the running kernel.'
