/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints. Those who turn one on turn on the events of watch.h.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM io_pgtable_safe

#if !defined(_IO_PGTABLE_SAFE_CORE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IO_PGTABLE_SAFE_CORE_TRACE_H

#include <linux/errno.h>
#include <linux/tracepoint.h>

#include "watch.h"

TRACE_DEFINE_ENUM(WATCH_MAP);
TRACE_DEFINE_ENUM(WATCH_UNMAP);
TRACE_DEFINE_ENUM(WATCH_CUT);
TRACE_DEFINE_ENUM(WATCH_FLUSH);

#define show_watch_op(op)						\
	__print_symbolic(op,						\
			 { WATCH_MAP,	"map" },			\
			 { WATCH_UNMAP,	"unmap" },			\
			 { WATCH_CUT,	"cut" },			\
			 { WATCH_FLUSH,	"flush" })

/*
 * Of an errno that is positive, because trace-cmd takes a field for unsigned where it
 * negates it. One that is not among these is shown as a number.
 */
#define show_watch_errno(error)						\
	__print_symbolic(error,						\
			 { 0,		"0" },				\
			 { EINVAL,	"-EINVAL" },			\
			 { ERANGE,	"-ERANGE" },			\
			 { EOVERFLOW,	"-EOVERFLOW" },			\
			 { EEXIST,	"-EEXIST" },			\
			 { ENOENT,	"-ENOENT" },			\
			 { ENOTBLK,	"-ENOTBLK" },			\
			 { EBUSY,	"-EBUSY" },			\
			 { ENOMEM,	"-ENOMEM" },			\
			 { EIO,		"-EIO" })

#define DEFINE_WATCH_EVENT(class, name)						\
	DEFINE_EVENT_FN(class, name, TP_PROTO(u64 id, const struct watch_event *ev),	\
			TP_ARGS(id, ev), io_pgtable_safe_watch_get, io_pgtable_safe_watch_put)

TRACE_EVENT_FN(io_pgtable_safe_map,
	       TP_PROTO(u64 id, const struct watch_event *ev),
	       TP_ARGS(id, ev),
	       TP_STRUCT__entry(__field(u64, id)
				__field(u64, iova)
				__field(u64, size)
				__field(u64, paddr)
				__field(u64, mapped)
				__field(u32, prot)
				__field(int, error)
	       ),
	       TP_fast_assign(__entry->id = id;
			      __entry->iova = ev->iova;
			      __entry->size = ev->size;
			      __entry->paddr = ev->paddr;
			      __entry->mapped = ev->done;
			      __entry->prot = ev->flags;
			      __entry->error = -ev->err;
	       ),
	       TP_printk("pgt=%llu iova=%#llx size=%#llx paddr=%#llx prot=%#x mapped=%#llx err=%s",
			 __entry->id, __entry->iova, __entry->size, __entry->paddr, __entry->prot,
			 __entry->mapped, show_watch_errno(__entry->error)),
	       io_pgtable_safe_watch_get, io_pgtable_safe_watch_put
);

DECLARE_EVENT_CLASS(io_pgtable_safe_unmap_class,
		    TP_PROTO(u64 id, const struct watch_event *ev),
		    TP_ARGS(id, ev),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(u64, iova)
				     __field(u64, size)
				     __field(u64, unmapped)
				     __field(u32, flags)
				     __field(int, error)
		    ),
		    TP_fast_assign(__entry->id = id;
				   __entry->iova = ev->iova;
				   __entry->size = ev->size;
				   __entry->unmapped = ev->done;
				   __entry->flags = ev->flags;
				   __entry->error = -ev->err;
		    ),
		    TP_printk("pgt=%llu iova=%#llx size=%#llx flags=%#x unmapped=%#llx err=%s",
			      __entry->id, __entry->iova, __entry->size, __entry->flags,
			      __entry->unmapped, show_watch_errno(__entry->error))
);

DEFINE_WATCH_EVENT(io_pgtable_safe_unmap_class, io_pgtable_safe_unmap);
DEFINE_WATCH_EVENT(io_pgtable_safe_unmap_class, io_pgtable_safe_cut);

TRACE_EVENT_FN(io_pgtable_safe_refused,
	       TP_PROTO(u64 id, const struct watch_event *ev),
	       TP_ARGS(id, ev),
	       TP_STRUCT__entry(__field(u64, id)
				__field(int, op)
				__field(u64, iova)
				__field(u64, size)
				__field(int, error)
	       ),
	       TP_fast_assign(__entry->id = id;
			      __entry->op = ev->op;
			      __entry->iova = ev->iova;
			      __entry->size = ev->size;
			      __entry->error = -ev->err;
	       ),
	       TP_printk("pgt=%llu %s iova=%#llx size=%#llx err=%s",
			 __entry->id, show_watch_op(__entry->op), __entry->iova, __entry->size,
			 show_watch_errno(__entry->error)),
	       io_pgtable_safe_watch_get, io_pgtable_safe_watch_put
);

DECLARE_EVENT_CLASS(io_pgtable_safe_range_class,
		    TP_PROTO(u64 id, const struct watch_event *ev),
		    TP_ARGS(id, ev),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(u64, iova)
				     __field(u64, size)
		    ),
		    TP_fast_assign(__entry->id = id;
				   __entry->iova = ev->iova;
				   __entry->size = ev->size;
		    ),
		    TP_printk("pgt=%llu iova=%#llx size=%#llx", __entry->id, __entry->iova,
			      __entry->size)
);

DEFINE_WATCH_EVENT(io_pgtable_safe_range_class, io_pgtable_safe_flush);
DEFINE_WATCH_EVENT(io_pgtable_safe_range_class, io_pgtable_safe_undo);

TRACE_EVENT_FN(io_pgtable_safe_leaves,
	       TP_PROTO(u64 id, const struct watch_event *ev),
	       TP_ARGS(id, ev),
	       TP_STRUCT__entry(__field(u64, id)
				__field(u64, iova)
				__field(u64, paddr)
				__field(u64, pgsize)
				__field(u64, pgcount)
	       ),
	       TP_fast_assign(__entry->id = id;
			      __entry->iova = ev->iova;
			      __entry->paddr = ev->paddr;
			      __entry->pgsize = ev->pgsize;
			      __entry->pgcount = ev->done >> (fls64(ev->pgsize) - 1);
	       ),
	       TP_printk("pgt=%llu iova=%#llx paddr=%#llx pgsize=%#llx pgcount=%llu",
			 __entry->id, __entry->iova, __entry->paddr, __entry->pgsize,
			 __entry->pgcount),
	       io_pgtable_safe_watch_get, io_pgtable_safe_watch_put
);

DECLARE_EVENT_CLASS(io_pgtable_safe_table_class,
		    TP_PROTO(u64 id, const struct watch_event *ev),
		    TP_ARGS(id, ev),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(u64, table)
				     __field(u64, bytes)
				     __field(u64, iova)
				     __field(u64, size)
		    ),
		    TP_fast_assign(__entry->id = id;
				   __entry->table = ev->paddr;
				   __entry->bytes = ev->done;
				   __entry->iova = ev->iova;
				   __entry->size = ev->size;
		    ),
		    TP_printk("pgt=%llu table=%#llx bytes=%#llx iova=%#llx size=%#llx",
			      __entry->id, __entry->table, __entry->bytes, __entry->iova,
			      __entry->size)
);

DEFINE_WATCH_EVENT(io_pgtable_safe_table_class, io_pgtable_safe_table_kept);
DEFINE_WATCH_EVENT(io_pgtable_safe_table_class, io_pgtable_safe_table_freed);

#endif /* _IO_PGTABLE_SAFE_CORE_TRACE_H */

/* Kbuild has the directory in the include path */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH core
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
