//! A transaction: it has a connection for itself, and commits unless its block ends by an error.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironloop::Awaitable;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::Error;
use crate::pool::{Lease, Sessions};
use crate::value::values;

#[pyclass(frozen, module = "elephant")]
pub struct Transaction(Arc<Inner>);

struct Inner {
    sessions: Arc<Sessions>,
    /// While it is open, and nobody asks.
    lease: Mutex<Option<Lease>>,
}

impl Inner {
    fn lease(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever asks has the lease meanwhile: who is dropped ends the transaction.
    fn take(&self) -> Result<Lease, Error> {
        self.lease().take().ok_or(Error::Misuse("the transaction is not open, or somebody else asks"))
    }
}

impl Transaction {
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self(Arc::new(Inner { sessions, lease: Mutex::new(None) }))
    }
}

#[pymethods]
impl Transaction {
    #[pyo3(signature = (sql, *arguments))]
    fn query(&self, sql: String, arguments: &Bound<'_, PyTuple>) -> Awaitable {
        let (inner, values) = (self.0.clone(), values(arguments));
        ironloop::cancellable("Transaction.query", |token| async move {
            let (values, lease) = (values?, inner.take()?);
            let outcome = lease.session.query(&sql, &values, &token).await;
            // Of one that is lost nothing more is asked: dropped, it is closed, and that rolls back.
            if lease.session.is_open() {
                *inner.lease() = Some(lease);
            }
            outcome
        })
    }

    fn __aenter__(slf: Py<Self>) -> Awaitable {
        ironloop::coroutine("Transaction.__aenter__", async move {
            let inner = slf.get().0.clone();
            let lease = inner.sessions.clone().lease().await?;
            lease.session.execute("BEGIN").await?;
            *inner.lease() = Some(lease);
            Ok::<_, Error>(slf)
        })
    }

    /// Cancelled, the connection is closed: then the server rolls back.
    fn __aexit__(
        &self,
        kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Awaitable {
        let (inner, commits) = (self.0.clone(), kind.is_none());
        ironloop::coroutine("Transaction.__aexit__", async move {
            match inner.take() {
                Ok(lease) => {
                    lease.session.execute(if commits { "COMMIT" } else { "ROLLBACK" }).await?;
                    lease.give_back();
                    Ok(())
                }
                Err(lost) if commits => Err(lost),
                Err(_) => Ok(()), // the block's own error says why
            }
        })
    }
}
