//! One connection.
//!
//! tokio-postgres gives a client, and a future that reads and writes: the loop polls it beside whoever asks,
//! until the client is dropped. So several queries may be on their way at once.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ironloop::CancelToken;
use ironloop::net::TcpStream;
use ironloop::spawn_local;
use ironloop::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::error::Error;
use crate::value::{Rows, Value};

/// For so long a query that was cancelled may go on; then its connection is given up.
const GRACE: Duration = Duration::from_secs(5);

pub struct Session {
    client: Client,
    config: Arc<Config>,
    /// By their text.
    prepared: Mutex<HashMap<String, Statement>>,
    /// A query that was cancelled goes on, or the server ends it.
    is_lost: AtomicBool,
}

impl Session {
    pub async fn open(config: Arc<Config>) -> Result<Self, Error> {
        let (client, connection) = config.connect_raw(connect(&config).await?, NoTls).await?;
        drop(spawn_local(async {
            // What it fails with, those who wait for a reply are told.
            let _ = connection.await;
        }));
        Ok(Self { client, config, prepared: Mutex::default(), is_lost: AtomicBool::new(false) })
    }

    pub fn is_open(&self) -> bool {
        !self.client.is_closed() && !self.is_lost.load(Ordering::Relaxed)
    }

    /// None if the task is cancelled before: then the work is cancelled at the server, too, and has ended
    /// when this has, or the session is lost.
    pub async fn unless_cancelled<T>(
        &self,
        token: &CancelToken,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Option<Result<T, Error>> {
        let mut work = pin!(work);
        if let Some(outcome) = unless_cancelled(token, work.as_mut()).await {
            return Some(outcome);
        }
        let ended = timeout(GRACE, async {
            self.cancel().await?;
            // The server may have been quicker, or have gone: nobody asks any more.
            let _ = work.await;
            Ok::<_, Error>(())
        });
        if !matches!(ended.await, Ok(Ok(()))) {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        None
    }

    /// Of a cancelled task there are no rows, and the task hears of its cancellation.
    pub async fn query(&self, sql: &str, values: &[Value], token: &CancelToken) -> Result<Rows, Error> {
        self.unless_cancelled(token, self.run(sql, values)).await.unwrap_or_else(|| Ok(Rows::default()))
    }

    async fn run(&self, sql: &str, values: &[Value]) -> Result<Rows, Error> {
        let statement = self.prepare(sql).await?;
        let values: Vec<_> = values.iter().map(|value| value as _).collect();
        let rows = self.client.query(&statement, &values).await.inspect_err(|error| {
            let severity = error.as_db_error().and_then(DbError::parsed_severity);
            // The server closes it next.
            if severity == Some(Severity::Fatal) {
                self.is_lost.store(true, Ordering::Relaxed);
            }
        });
        Ok(Rows(rows?))
    }

    /// By a connection of its own, as PostgreSQL has it. The server ends that when it has done so: later it
    /// would be the next query that is cancelled.
    async fn cancel(&self) -> Result<(), Error> {
        let mut other = connect(&self.config).await?;
        self.client.cancel_token().cancel_query_raw(&mut other, NoTls).await?;
        other.read_to_end(&mut Vec::new()).await?;
        Ok(())
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.prepared().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn prepared(&self) -> MutexGuard<'_, HashMap<String, Statement>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Several statements, without values.
    pub async fn execute(&self, sql: &str) -> Result<(), Error> {
        Ok(self.client.batch_execute(sql).await?)
    }
}

/// None if the task is cancelled before.
pub async fn unless_cancelled<T>(token: &CancelToken, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut cancelled) = (pin!(future), pin!(token.cancelled()));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => cancelled.as_mut().poll(cx).map(|()| None),
    })
    .await
}

async fn connect(config: &Config) -> Result<TcpStream, Error> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match config.get_hosts() {
        [Host::Tcp(name)] => Ok(TcpStream::connect((name.as_str(), port)).await?),
        _ => Err(Error::Misuse("one host, by name or address")),
    }
}
