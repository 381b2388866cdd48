// SPDX-License-Identifier: GPL-2.0-only
///
/// Move a driver from io-pgtable's own ops to io_pgtable_safe: the types, the
/// allocation, the granted configuration and the release. What is mapped and
/// unmapped differs too much between drivers; see the files beside this one.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: io-pgtable, alloc_io_pgtable_ops, io_pgtable_ops_to_pgtable
// Comments: -D string_ns where MODULE_IMPORT_NS() takes a string (6.13 on).

virtual patch
virtual string_ns

// --- types ---

@member depends on patch@
identifier s, ops;
@@
struct s {
	...
-	struct io_pgtable_ops *ops;
+	struct io_pgtable_safe *ops;
	...
};

// --- allocation: an ERR_PTR says why ---

// What the caller gave is not modified; remember what it was.
@granted_member depends on patch@
expression x, fmt, cookie;
identifier ops, given;
@@
x->ops = alloc_io_pgtable_ops(fmt, &x->given, cookie)

@granted_local depends on patch@
expression x, fmt, cookie;
local idexpression struct io_pgtable_cfg given;
@@
x = alloc_io_pgtable_ops(fmt, &given, cookie)

@alloc_goto depends on patch@
expression x, fmt, c, cookie;
identifier ret, out;
constant e;
@@
-x = alloc_io_pgtable_ops(fmt, c, cookie);
-if (!x) {
-	ret = -e;
+x = io_pgtable_safe_alloc(fmt, c, cookie);
+if (IS_ERR(x)) {
+	ret = PTR_ERR(x);
	goto out;
 }

// Where x may be a member of what is freed, so that the error is taken first.
@alloc_return depends on patch@
expression x, fmt, c, cookie;
expression list freed;
identifier release;
constant e;
@@
-x = alloc_io_pgtable_ops(fmt, c, cookie);
-if (!x) {
+x = io_pgtable_safe_alloc(fmt, c, cookie);
+if (IS_ERR(x)) {
+	int err = PTR_ERR(x);
+
	release(freed);
-	return ERR_PTR(-e);
+	return ERR_PTR(err);
 }

// --- the granted configuration ---

@depends on patch@
identifier granted_member.ops, granted_member.given;
identifier c;
expression x;
@@
-struct io_pgtable_cfg *c = &x->given;
+const struct io_pgtable_cfg *c = io_pgtable_safe_cfg(x->ops);

@depends on patch@
local idexpression struct io_pgtable_cfg granted_local.given;
expression granted_local.x, fmt, cookie;
@@
x = io_pgtable_safe_alloc(fmt, &given, cookie);
<...
(
-&given
+io_pgtable_safe_cfg(x)
|
-given.pgsize_bitmap
+io_pgtable_safe_cfg(x)->pgsize_bitmap
|
-given.arm_lpae_s1_cfg
+io_pgtable_safe_cfg(x)->arm_lpae_s1_cfg
)
...>

@depends on patch@
identifier c;
expression ops;
@@
-struct io_pgtable_cfg *c = &io_pgtable_ops_to_pgtable(ops)->cfg;
+const struct io_pgtable_cfg *c = io_pgtable_safe_cfg(ops);

@depends on patch@
identifier p, f;
expression ops;
@@
-const struct io_pgtable *p = io_pgtable_ops_to_pgtable(ops);
+const struct io_pgtable_cfg *p = io_pgtable_safe_cfg(ops);
 <...
-p->cfg.f
+p->f
 ...>

@depends on patch@
identifier f;
expression ops;
@@
-io_pgtable_ops_to_pgtable(ops)->cfg.f
+io_pgtable_safe_cfg(ops)->f

// --- release ---

@release depends on patch@
expression ops;
@@
-free_io_pgtable_ops(ops)
+io_pgtable_safe_free(ops)

// --- header and symbol namespace ---

@depends on patch && (release || alloc_goto || alloc_return)@
@@
 #include <linux/io-pgtable.h>
+#include <io_pgtable_safe.h>

@depends on patch && string_ns@
declarer name MODULE_LICENSE, MODULE_IMPORT_NS;
expression license;
@@
 MODULE_LICENSE(license);
+MODULE_IMPORT_NS("IO_PGTABLE_SAFE");

@depends on patch && !string_ns@
declarer name MODULE_LICENSE, MODULE_IMPORT_NS;
expression license;
@@
 MODULE_LICENSE(license);
+MODULE_IMPORT_NS(IO_PGTABLE_SAFE);
