//! PostgreSQL for Python: tokio-postgres, which needs Tokio's traits and nothing else of it, over ironloop's
//! sockets.
//!
//! `pool` and `transaction` are the classes; `session` is one connection; `value` is between Python's values
//! and SQL's.

mod error;
mod pool;
mod session;
mod transaction;
mod value;

use pyo3::prelude::*;

#[pymodule]
mod _elephant {
    #[pymodule_export]
    use crate::pool::Pool;
    #[pymodule_export]
    use crate::transaction::Transaction;
}
