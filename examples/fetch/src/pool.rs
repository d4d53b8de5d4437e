//! Connections that are kept, by origin: so many at once to each, and the idle ones not for ever.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use ironloop::net::TcpStream;
use ironloop::spawn_local;
use ironloop::sync::{Semaphore, SemaphoreGuardArc};
use ironloop::time::{Instant, sleep, timeout};
use rustls::ClientConfig;
use url::{Position, Url};

use crate::connection::Connection;
use crate::error::Error;
use crate::stream::Stream;
use crate::tls;

pub struct Settings {
    pub per_host: usize,
    pub idle: Duration,
    pub connect: Option<Duration>,
    /// None: the authorities of the web.
    pub tls: Option<Arc<ClientConfig>>,
}

pub struct Pool {
    settings: Settings,
    /// By `https://host:port`. None once it is closed.
    hosts: Mutex<Option<HashMap<String, Arc<Host>>>>,
    is_swept: AtomicBool,
}

struct Host {
    places: Arc<Semaphore>,
    /// The one that was used last is last, and used first.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody sweeps more often, however short the idle time is.
const SWEEP: Duration = Duration::from_millis(100);

/// A connection in use, and its place among those of its host. Dropped, it is closed.
pub struct Lease {
    pub connection: Box<Connection>,
    /// Whether it has served before: then the server may have closed it meanwhile.
    pub is_old: bool,
    host: Arc<Host>,
    pool: Arc<Pool>,
    _place: SemaphoreGuardArc,
}

impl Pool {
    pub fn new(settings: Settings) -> Self {
        Self { settings, hosts: Mutex::new(Some(HashMap::new())), is_swept: AtomicBool::new(false) }
    }

    /// A connection to the origin of the URL, once there is a place for it. `fresh`: a new one.
    pub async fn lease(self: &Arc<Self>, url: &Url, fresh: bool) -> Result<Lease, Error> {
        let host = self.host(&url[..Position::BeforePath])?;
        let place = host.places.acquire_arc().await;
        let lease =
            |connection, is_old, host| Lease { connection, is_old, host, pool: self.clone(), _place: place };
        while !fresh && let Some(Idle { mut connection, since }) = host.pop() {
            let is_ready = poll_fn(|cx| Poll::Ready(connection.is_ready(cx))).await;
            if is_ready && since.elapsed() < self.settings.idle {
                return Ok(lease(connection, true, host));
            }
        }
        // Rare, and large: in a box of its own it does not make every request's future so.
        let connection = Box::new(Box::pin(self.connect(url)).await?);
        Ok(lease(connection, false, host))
    }

    fn host(&self, origin: &str) -> Result<Arc<Host>, Error> {
        let mut hosts = lock(&self.hosts);
        let hosts = hosts.as_mut().ok_or(Error::Closed("the client is closed"))?;
        if let Some(host) = hosts.get(origin) {
            return Ok(host.clone());
        }
        let places = Arc::new(Semaphore::new(self.settings.per_host));
        let host = Arc::new(Host { places, idle: Mutex::default() });
        hosts.insert(origin.to_owned(), host.clone());
        Ok(host)
    }

    async fn connect(&self, url: &Url) -> Result<Connection, Error> {
        match self.settings.connect {
            None => self.connect_at_leisure(url).await,
            Some(limit) => match timeout(limit, self.connect_at_leisure(url)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::ConnectTimeout(url[..Position::BeforePath].to_owned(), limit)),
            },
        }
    }

    async fn connect_at_leisure(&self, url: &Url) -> Result<Connection, Error> {
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or_default();
        let failed = |error| Error::Connect(format!("{name}:{port}"), error);
        let stream = TcpStream::connect((name, port)).await.map_err(failed)?;
        let stream = match url.scheme() {
            "https" => {
                let config = self.settings.tls.clone().unwrap_or_else(tls::web);
                tls::handshake(config, name, stream).await?
            }
            _ => Stream::Plain(stream),
        };
        Connection::over(stream).await
    }

    /// Closes what is idle; what is in use when it comes back.
    pub fn close(&self) {
        let hosts = lock(&self.hosts).take();
        for host in hosts.into_iter().flatten().map(|(_, host)| host) {
            let idle = std::mem::take(&mut *lock(&host.idle));
            drop(idle);
        }
    }

    /// Has a future of the loop look after the idle ones, as long as there are any.
    fn keep_swept(self: &Arc<Self>) {
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            spawn_local(sweep(Sweeper(Arc::downgrade(self)), self.settings.idle.max(SWEEP)));
        }
    }

    /// Closes those that are idle for too long, forgets hosts with none. False: none is idle any more, and
    /// the next that comes back begins another sweep.
    fn sweep(&self) -> bool {
        let mut old = Vec::new();
        let mut hosts = lock(&self.hosts);
        let Some(hosts) = hosts.as_mut() else { return false };
        hosts.retain(|_, host| {
            let mut idle = lock(&host.idle);
            let is_young = |idle: &Idle| idle.since.elapsed() < self.settings.idle;
            let first_young = idle.iter().position(is_young).unwrap_or(idle.len());
            old.extend(idle.drain(..first_young));
            // Nobody else has it, or asks for it: that takes the lock which is held here.
            !idle.is_empty() || Arc::strong_count(host) > 1
        });
        let goes_on = hosts.values().any(|host| !lock(&host.idle).is_empty());
        self.is_swept.store(goes_on, Ordering::Relaxed);
        goes_on
    }
}

/// Also where its loop is closed, the next loop begins one of its own.
struct Sweeper(Weak<Pool>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.is_swept.store(false, Ordering::Relaxed);
        }
    }
}

async fn sweep(mut sweeper: Sweeper, period: Duration) {
    loop {
        sleep(period).await;
        if !sweeper.0.upgrade().is_some_and(|pool| pool.sweep()) {
            // There may be another one by now.
            sweeper.0 = Weak::new();
            return;
        }
    }
}

impl Host {
    fn pop(&self) -> Option<Idle> {
        lock(&self.idle).pop()
    }
}

impl Lease {
    /// Keeps the connection for the next one, if it can serve again.
    pub fn give_back(mut self, cx: &mut Context<'_>) {
        if !self.connection.is_ready(cx) {
            return;
        }
        // Held, so that no sweep ends between.
        let hosts = lock(&self.pool.hosts);
        if hosts.is_some() {
            lock(&self.host.idle).push(Idle { connection: self.connection, since: Instant::now() });
            self.pool.keep_swept();
        }
    }
}
