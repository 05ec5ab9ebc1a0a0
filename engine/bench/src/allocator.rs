//! Counts what is asked of the allocator while someone wants to know.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);

/// What happened while it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Calls that asked for memory, including those that asked for more in place of what there was.
    pub(crate) allocations: u64,
    /// Bytes asked for and not given back.
    pub(crate) bytes: i64,
}

/// Does some work and counts. Nothing else of the process may allocate meanwhile, as it would be counted too.
pub(crate) fn counted(work: impl FnOnce()) -> Counted {
    let (allocations, bytes) = (ALLOCATIONS.load(Relaxed), BYTES.load(Relaxed));
    COUNTING.store(true, Relaxed);
    work();
    COUNTING.store(false, Relaxed);
    Counted { allocations: ALLOCATIONS.load(Relaxed) - allocations, bytes: BYTES.load(Relaxed) - bytes }
}

/// Does some work that is not counted, whether or not what surrounds it is.
pub(crate) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let counting = COUNTING.swap(false, Relaxed);
    let made = work();
    COUNTING.store(counting, Relaxed);
    made
}

/// The system's allocator, watched. While nobody wants to know it costs the reading of one flag a call.
struct Watched;

#[global_allocator]
static WATCHED: Watched = Watched;

fn note(allocations: u64, before: usize, after: usize) {
    if COUNTING.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        let grown = after.cast_signed().wrapping_sub(before.cast_signed());
        BYTES.fetch_add(grown as i64, Relaxed);
    }
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written otherwise; each call is handed on as it came, so the caller's \
              promises are the system allocator's"
)]
// SAFETY: memory comes from `System` alone, and counting neither allocates nor panics.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, 0, layout.size());
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, 0, layout.size());
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(1, layout.size(), new_size);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(memory, layout, new_size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(0, layout.size(), 0);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(memory, layout) }
    }
}
