//! The five scenarios of the public workload, and the hashes that were published for them.

/// The seed of every published figure.
pub(crate) const SEED: u32 = 23;
/// New orders of a full workload.
pub(crate) const ORDERS: u32 = 1_000_000;

/// A market: how wildly the price moves, and how far in all.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) volatility: f64,
    pub(crate) swing: f64,
    /// SHA-256 of the file of the full workload.
    pub(crate) file: &'static str,
    /// SHA-256 of the reports a right engine gives for the full workload.
    pub(crate) reports: &'static str,
}

/// All of them, from the calmest.
pub(crate) const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "static",
        volatility: 0.00,
        swing: 0.00,
        file: "22f782cf6865a53ed150424b87f51a35dc80be87e2427c78c3b5a12d6ccc0ae5",
        reports: "9803843ee404fc29c9a0aa5614f8f0d5a58b5c44fcac9ef89067886fcaaa30d1",
    },
    Scenario {
        name: "normal",
        volatility: 0.15,
        swing: 0.02,
        file: "d925e1a4fc03cfcf7f0db8f9ad4c6c8674991250b702e9dc3f1b2b7c9f4bfbc1",
        reports: "e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e",
    },
    Scenario {
        name: "swing-25",
        volatility: 0.50,
        swing: 0.25,
        file: "814c1cc319bd7a7e3c0b66d34e37d6a961efb2e8d86f16fff335740ba46b52d6",
        reports: "61a84be9469661bd039e00dbc9a7c011e70b6ace37aadfe60045ea083b05f4df",
    },
    Scenario {
        name: "swing-40",
        volatility: 0.50,
        swing: 0.40,
        file: "d0941f009872a70b6d337ff71844188d964a0f7039ee669962ff7a398380d3d0",
        reports: "3cb0175e7982ff09ea220d1feaee3844cf9116a5ce455757879dea1d880b9b9f",
    },
    Scenario {
        name: "flash-crash",
        volatility: 0.50,
        swing: 0.60,
        file: "1cd9573c7703baa8f9ce655f4fceab25526dfb4e857eb0c563d1d2a51fd00285",
        reports: "cff8d3f94b709fc64a8b2058a6ca4fb6920364904796e46906895e362d2bb16b",
    },
];

/// The place of the scenario that the shapes borrow their flow from.
pub(crate) const NORMAL: usize = 1;
