//! A few connections, and whoever asks first has one first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironloop::Awaitable;
use ironloop::sync::{Semaphore, SemaphoreGuardArc};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio_postgres::Config;

use crate::error::Error;
use crate::session::{Session, unless_cancelled};
use crate::transaction::Transaction;
use crate::value::{Rows, values};

pub struct Sessions {
    config: Arc<Config>,
    places: Arc<Semaphore>,
    /// None once it is closed.
    idle: Mutex<Option<Vec<Session>>>,
}

/// A session in use. Dropped, it is closed, and the server rolls back what was not committed.
pub struct Lease {
    pub session: Session,
    sessions: Arc<Sessions>,
    _place: SemaphoreGuardArc,
}

impl Sessions {
    pub async fn lease(self: Arc<Self>) -> Result<Lease, Error> {
        let place = self.places.acquire_arc().await;
        let idle = self.idle().as_mut().ok_or(Error::Misuse("the pool is closed"))?.pop();
        let session = match idle.filter(Session::is_open) {
            Some(session) => session,
            None => Session::open(self.config.clone()).await?,
        };
        Ok(Lease { session, sessions: self, _place: place })
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Session>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// For the next one, if nothing is left of this one's work.
    pub fn give_back(self) {
        if let Some(idle) = self.sessions.idle().as_mut().filter(|_| self.session.is_open()) {
            idle.push(self.session);
        }
    }
}

#[pyclass(frozen, module = "elephant")]
pub struct Pool(Arc<Sessions>);

#[pymethods]
impl Pool {
    #[new]
    #[pyo3(signature = (dsn, *, size=4))]
    fn new(dsn: &str, size: usize) -> PyResult<Self> {
        let config: Config = dsn.parse().map_err(|error| PyValueError::new_err(format!("{error}")))?;
        if size == 0 {
            return Err(PyValueError::new_err("a pool of no connections"));
        }
        let (places, idle) = (Arc::new(Semaphore::new(size)), Mutex::new(Some(Vec::new())));
        Ok(Self(Arc::new(Sessions { config: Arc::new(config), places, idle })))
    }

    /// The rows, as dicts. Prepared once for each connection.
    #[pyo3(signature = (sql, *arguments))]
    fn query(&self, sql: String, arguments: &Bound<'_, PyTuple>) -> Awaitable {
        let (sessions, values) = (self.0.clone(), values(arguments));
        ironloop::cancellable("Pool.query", |token| async move {
            let values = values?;
            let Some(lease) = unless_cancelled(&token, sessions.lease()).await else {
                return Ok(Rows::default());
            };
            let lease = lease?;
            let outcome = lease.session.query(&sql, &values, &token).await;
            lease.give_back();
            outcome
        })
    }

    /// Several statements, without values, and nothing comes back. Some of them may have begun a transaction:
    /// a connection where not all have succeeded is closed.
    fn execute(&self, sql: String) -> Awaitable {
        let sessions = self.0.clone();
        ironloop::cancellable("Pool.execute", |token| async move {
            let Some(lease) = unless_cancelled(&token, sessions.lease()).await else { return Ok(()) };
            let lease = lease?;
            match lease.session.unless_cancelled(&token, lease.session.execute(&sql)).await {
                Some(Ok(())) => lease.give_back(),
                Some(failed) => return failed,
                None => {}
            }
            Ok(())
        })
    }

    /// `async with pool.transaction() as transaction:`
    fn transaction(&self) -> Transaction {
        Transaction::new(self.0.clone())
    }

    /// Connections that are used go when they come back.
    fn close(&self) {
        let idle = self.0.idle().take();
        drop(idle);
    }

    fn __aenter__(slf: Py<Self>) -> Awaitable {
        ironloop::coroutine("Pool.__aenter__", async { Ok::<_, PyErr>(slf) })
    }

    fn __aexit__(
        slf: Py<Self>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Awaitable {
        ironloop::coroutine("Pool.__aexit__", async move {
            slf.get().close();
            Ok::<_, PyErr>(())
        })
    }
}
