//! The Python module `tradeengine._rust`: bytes in, bytes out, the GIL released while the engine works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyString, PyTuple, PyTzInfo};

use crate::codec::encode_levels;
use crate::engine::{BookState, Engine};
use crate::rows::{self, Rows};
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

#[pyfunction]
fn event_rows<'py>(py: Python<'py>, events: &[u8], epoch: i64) -> PyResult<Bound<'py, PyBytes>> {
    let rows = rows::event_rows(events, epoch).map_err(|error| EngineError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &rows))
}

#[pyfunction]
fn pack_rows<'py>(py: Python<'py>, types: &str, values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut packer = Packer::new(py)?;
    for row in values.try_iter()? {
        let row = row?;
        let row = row.cast::<PyTuple>()?;
        if row.len() != types.len() {
            return Err(PyValueError::new_err(format!("{} values for {} columns", row.len(), types.len())));
        }
        packer.rows.begin(i16::try_from(row.len())?);
        for (kind, value) in types.bytes().zip(row.iter()) {
            packer.put(kind, value)?;
        }
    }
    Ok(PyBytes::new(py, &packer.rows.finish()))
}

/// Rows under construction, and the last moment that was put: most of a batch share one object.
struct Packer<'py> {
    rows: Rows,
    epoch: Bound<'py, PyDateTime>,
    last: Option<(Bound<'py, PyAny>, i64)>,
}

impl<'py> Packer<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let utc = PyTzInfo::utc(py)?.to_owned();
        let epoch = PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc))?;
        Ok(Self { rows: Rows::with_capacity(1 << 16), epoch, last: None })
    }

    fn put(&mut self, kind: u8, value: Bound<'py, PyAny>) -> PyResult<()> {
        if value.is_none() {
            self.rows.null();
            return Ok(());
        }
        let unfit = || PyValueError::new_err(format!("{value} does not fit its column"));
        match kind {
            b'b' => self.rows.boolean(value.extract()?),
            b'h' => self.rows.small(value.extract()?),
            b'i' => self.rows.integer(value.extract()?),
            b'q' => self.rows.big(value.extract()?),
            b't' => {
                let micros = self.micros(value)?;
                self.rows.moment(micros);
            }
            b's' => self.rows.text(value.cast::<PyString>()?.to_str()?).ok_or_else(unfit)?,
            b'j' => self.rows.json(value.cast::<PyString>()?.to_str()?).ok_or_else(unfit)?,
            b'n' => self.rows.numeric(value.str()?.to_str()?).ok_or_else(unfit)?,
            _ => return Err(PyValueError::new_err(format!("no column type {:?}", char::from(kind)))),
        }
        Ok(())
    }

    /// Microseconds from 1970 to an aware datetime.
    fn micros(&mut self, at: Bound<'py, PyAny>) -> PyResult<i64> {
        if let Some((last, micros)) = &self.last
            && last.is(&at)
        {
            return Ok(*micros);
        }
        let since = at.sub(&self.epoch)?;
        let part = |name| since.getattr(name)?.extract::<i64>();
        let micros = (part("days")? * 86_400 + part("seconds")?) * 1_000_000 + part("microseconds")?;
        self.last = Some((at, micros));
        Ok(micros)
    }
}

#[pymodule]
mod _rust {
    #[pymodule_export]
    use super::EngineError;
    #[pymodule_export]
    use super::PyEngine;
    #[pymodule_export]
    use super::event_rows;
    #[pymodule_export]
    use super::pack_rows;
}
