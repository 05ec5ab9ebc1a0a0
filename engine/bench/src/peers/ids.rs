//! Tables by order id, for what an engine does not tell. They are not counted as the engine's memory.

use crate::allocator::uncounted;

/// One value for each number from zero on.
pub(super) struct Table<T> {
    values: Vec<T>,
}

impl<T: Copy + Default> Table<T> {
    pub(super) fn up_to(highest: usize) -> Self {
        Self { values: uncounted(|| vec![T::default(); highest + 1]) }
    }

    pub(super) fn get(&self, id: u64) -> T {
        self.values[place(id)]
    }

    pub(super) fn set(&mut self, id: u64, value: T) {
        self.values[place(id)] = value;
    }

    /// Puts the default value in place of what was there, and returns that.
    pub(super) fn take(&mut self, id: u64) -> T {
        std::mem::take(&mut self.values[place(id)])
    }
}

/// The workload's ids and those that an engine gives of its own accord.
pub(super) struct Names {
    theirs: Table<u64>,
    ours: Table<u64>,
}

impl Names {
    /// Engines count from 0 or 1 and give no more ids than there are messages.
    pub(super) fn new(highest_ours: usize, messages: usize) -> Self {
        Self { theirs: Table::up_to(highest_ours), ours: Table::up_to(messages) }
    }

    pub(super) fn pair(&mut self, ours: u64, theirs: u64) {
        // Zero stands for an order the engine has never seen.
        self.theirs.set(ours, theirs + 1);
        self.ours.set(theirs, ours);
    }

    pub(super) fn theirs(&self, ours: u64) -> Option<u64> {
        self.theirs.get(ours).checked_sub(1)
    }

    pub(super) fn ours(&self, theirs: u64) -> u64 {
        self.ours.get(theirs)
    }
}

fn place(id: u64) -> usize {
    usize::try_from(id).expect("ids are small")
}

/// A quantity as reports have it.
pub(super) fn lots(quantity: u64) -> u32 {
    u32::try_from(quantity).expect("the workload's quantities are small")
}

/// A price for engines whose prices are unsigned; the workload's are positive.
pub(super) fn unsigned(price: i64) -> u64 {
    price.cast_unsigned()
}
