//! The Python module `tradeengine._rust`: bytes in, bytes out, the GIL released while the engine works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::codec::encode_levels;
use crate::engine::{BookState, Engine};
use crate::types::{InstrumentId, Micros, Phase, Seq, Ticks};

create_exception!(tradeengine, EngineError, PyValueError, "The engine was misused; nothing has changed.");

/// The books of one shard; see the stub for the meaning of each method.
#[pyclass(frozen, name = "Engine", module = "tradeengine")]
struct PyEngine {
    engine: Mutex<Engine>,
}

impl PyEngine {
    /// Works on the engine without the GIL. A panic is a bug that may have left a command half done:
    /// the lock stays poisoned, and every later call fails until the caller rebuilds the engine.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Engine) -> Result<T, crate::EngineError> + Send,
    ) -> PyResult<T> {
        let outcome = py.detach(|| {
            catch_unwind(AssertUnwindSafe(|| {
                let mut engine = self.engine.lock().ok()?;
                Some(work(&mut engine))
            }))
        });
        match outcome {
            Ok(Some(result)) => result.map_err(|error| EngineError::new_err(error.to_string())),
            Ok(None) | Err(_) => {
                Err(PyRuntimeError::new_err("the engine failed; throw it away and rebuild it"))
            }
        }
    }

    fn state(&self, py: Python<'_>, instrument: u32) -> PyResult<BookState> {
        self.with(py, |engine| engine.state(InstrumentId(instrument)))
    }
}

#[pymethods]
impl PyEngine {
    #[new]
    const fn new() -> Self {
        Self { engine: Mutex::new(Engine::new()) }
    }

    #[pyo3(signature = (instrument, *, seq = 0, last_time = 0, last_price = 0, phase = 1))]
    fn add_book(
        &self,
        py: Python<'_>,
        instrument: u32,
        seq: i64,
        last_time: i64,
        last_price: i64,
        phase: u8,
    ) -> PyResult<()> {
        let state = book_state(seq, last_time, last_price, phase)?;
        self.with(py, |engine| engine.add_book(InstrumentId(instrument), state))
    }

    fn remove_book(&self, py: Python<'_>, instrument: u32) -> PyResult<()> {
        self.with(py, |engine| engine.remove_book(InstrumentId(instrument)))
    }

    #[pyo3(signature = (instrument, orders, *, seq, last_time, last_price, phase))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of the Python signature")]
    fn restore(
        &self,
        py: Python<'_>,
        instrument: u32,
        orders: &[u8],
        seq: i64,
        last_time: i64,
        last_price: i64,
        phase: u8,
    ) -> PyResult<()> {
        let state = book_state(seq, last_time, last_price, phase)?;
        self.with(py, |engine| engine.restore(InstrumentId(instrument), orders, state))
    }

    fn apply<'py>(&self, py: Python<'py>, commands: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let events = self.with(py, |engine| {
            let mut events = Vec::new();
            engine.apply(commands, &mut events).map(|()| events)
        })?;
        Ok(PyBytes::new(py, &events))
    }

    fn level_changes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let levels = self.with(py, |engine| Ok(encode_levels(&engine.level_changes())))?;
        Ok(PyBytes::new(py, &levels))
    }

    #[pyo3(signature = (instrument, limit = None))]
    fn depth<'py>(
        &self,
        py: Python<'py>,
        instrument: u32,
        limit: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let limit = limit.unwrap_or(usize::MAX);
        let levels = self.with(py, |engine| engine.depth(InstrumentId(instrument), limit))?;
        Ok(PyBytes::new(py, &encode_levels(&levels)))
    }

    fn open_orders<'py>(&self, py: Python<'py>, instrument: u32) -> PyResult<Bound<'py, PyBytes>> {
        let orders = self.with(py, |engine| engine.open_orders(InstrumentId(instrument)))?;
        Ok(PyBytes::new(py, &orders))
    }

    fn state_hash(&self, py: Python<'_>, instrument: u32) -> PyResult<String> {
        let hash = self.with(py, |engine| engine.state_hash(InstrumentId(instrument)))?;
        Ok(format!("{hash:032x}"))
    }

    fn seq(&self, py: Python<'_>, instrument: u32) -> PyResult<i64> {
        Ok(self.state(py, instrument)?.seq.0)
    }

    fn last_time(&self, py: Python<'_>, instrument: u32) -> PyResult<i64> {
        Ok(self.state(py, instrument)?.last_time.0)
    }

    fn last_price(&self, py: Python<'_>, instrument: u32) -> PyResult<i64> {
        Ok(self.state(py, instrument)?.last_price.0)
    }

    fn phase(&self, py: Python<'_>, instrument: u32) -> PyResult<u8> {
        Ok(self.state(py, instrument)?.phase.code())
    }

    fn indicative(&self, py: Python<'_>, instrument: u32) -> PyResult<(i64, i64, i64)> {
        let found = self.with(py, |engine| engine.indicative(InstrumentId(instrument)))?;
        Ok((found.price.0, found.volume.0, found.surplus.0))
    }

    fn order_count(&self, py: Python<'_>, instrument: u32) -> PyResult<usize> {
        self.with(py, |engine| engine.order_count(InstrumentId(instrument)))
    }

    fn books(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        self.with(py, |engine| Ok(engine.books().map(|instrument| instrument.0).collect()))
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |engine| engine.check())
    }
}

fn book_state(seq: i64, last_time: i64, last_price: i64, phase: u8) -> PyResult<BookState> {
    let unknown = || EngineError::new_err(format!("phase may not be {phase}"));
    let phase = Phase::from_code(phase).ok_or_else(unknown)?;
    Ok(BookState { seq: Seq(seq), last_time: Micros(last_time), last_price: Ticks(last_price), phase })
}

#[pymodule]
mod _rust {
    #[pymodule_export]
    use super::EngineError;
    #[pymodule_export]
    use super::PyEngine;
}
