// SPDX-License-Identifier: GPL-2.0
/*
 * Binding later, as VM_BIND does it: user space asks, and gets an answer when all
 * that may be needed has been allocated. The bind itself is done by a worker when
 * the binds before it are. Others wait for it, memory reclaim maybe among them, so
 * it may not allocate.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "sample_gpu.h"

static void sample_bind_run(struct sample_bind_job *job)
{
	struct sample_as *as = job->as;
	int err;

	if (!job->reserve) {
		job->res = sample_bind(as, &job->vma, GFP_KERNEL);
		return;
	}
	/* Binds of one address space are in order, so nobody else has one attached. */
	err = io_pgtable_safe_reserve_attach(as->pgt, job->reserve);
	if (err) {
		job->res.err = err;
		return;
	}
	job->res = sample_bind(as, &job->vma, IO_PGTABLE_SAFE_RESERVED);
	io_pgtable_safe_reserve_detach(as->pgt);
}

static void sample_bind_work(struct work_struct *work)
{
	struct sample_bind_job *job = container_of(work, struct sample_bind_job, work);

	sample_bind_run(job);
	io_pgtable_safe_unreserve(job->reserve);
	/* What a fence would be here. */
	complete(&job->done);
}

/**
 * sample_bind_submit() - Bind a buffer or a part of it, later.
 * @as: Address space.
 * @vma: What to bind where. Copied; the buffer must stay.
 *
 * Most of what is reserved comes back when the bind is done. __GFP_NORETRY is for
 * user space that asks for a range larger than what there is memory for.
 *
 * Where page tables cannot be reserved for (Linux 6.1, ARM_V7S) the worker
 * allocates. A driver that may not do that binds at once instead.
 *
 * Return: The job, to be given to sample_bind_wait(), or an ERR_PTR() as
 * io_pgtable_safe_reserve(). Nothing that fails later does so for want of memory.
 */
struct sample_bind_job *sample_bind_submit(struct sample_as *as,
					   const struct sample_vma *vma)
{
	struct io_pgtable_safe_reserve *reserve;
	struct sample_bind_job *job;

	reserve = io_pgtable_safe_reserve(as->pgt, vma->iova, vma->size,
					  GFP_KERNEL | __GFP_NORETRY);
	if (PTR_ERR_OR_ZERO(reserve) == -EOPNOTSUPP)
		reserve = NULL;
	if (IS_ERR(reserve))
		return ERR_CAST(reserve);
	job = kzalloc_obj(*job);
	if (!job) {
		io_pgtable_safe_unreserve(reserve);
		return ERR_PTR(-ENOMEM);
	}
	job->as = as;
	job->vma = *vma;
	job->reserve = reserve;
	init_completion(&job->done);
	INIT_WORK(&job->work, sample_bind_work);
	queue_work(as->binds, &job->work);
	return job;
}

/**
 * sample_bind_wait() - Wait for a bind and forget it.
 * @job: The job.
 *
 * Return: As sample_bind().
 */
struct io_pgtable_safe_map_result sample_bind_wait(struct sample_bind_job *job)
{
	struct io_pgtable_safe_map_result res;

	wait_for_completion(&job->done);
	res = job->res;
	kfree(job);
	return res;
}
