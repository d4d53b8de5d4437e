//! What a connection's TLS is made from.

use std::collections::VecDeque;

use pyo3::prelude::*;

use super::session::Session;
use super::{Peer, Phase, Progress, Tls};
use crate::ffi::cell::LoopCell;
use crate::ffi::{Object, owned};

/// What is asked for, as `checked` in `python/ironloop/tls.py` has it.
pub(crate) struct Asked {
    context: Object,
    server_side: bool,
    host: Object,
    handshake_timeout: Object,
    shutdown_timeout: Object,
    answer_timeout: Object,
}

owned!(Asked {
    visits: context, host, handshake_timeout, shutdown_timeout, answer_timeout;
    clears nothing;
    ignores: server_side;
});

impl Asked {
    pub(crate) fn of(tuple: &Bound<'_, PyAny>) -> PyResult<Self> {
        type One<'py> = Bound<'py, PyAny>;
        type Parts<'py> = (One<'py>, bool, One<'py>, One<'py>, One<'py>, One<'py>);
        let (context, server_side, host, handshake, shutdown, answer): Parts<'_> = tuple.extract()?;
        Ok(Self {
            context: context.into(),
            server_side,
            host: host.into(),
            handshake_timeout: handshake.into(),
            shutdown_timeout: shutdown.into(),
            answer_timeout: answer.into(),
        })
    }
}

/// Who waits for the handshake.
pub(crate) enum Waiter {
    Future(Object),
    /// The same, and the protocol knows the connection already (`start_tls`).
    Upgrade(Object),
    /// The connection was accepted: failures are told in debug mode, as asyncio's server does.
    Nobody,
}

impl Tls {
    /// One that begins with the connection.
    pub(crate) fn new(py: Python<'_>, asked: &Asked, waiter: Waiter) -> PyResult<Self> {
        let session = Session::new(asked.context.bind(py), asked.server_side, asked.host.bind(py))?;
        let (reports, is_known) = (matches!(waiter, Waiter::Nobody), matches!(waiter, Waiter::Upgrade(_)));
        let waiter = match waiter {
            Waiter::Future(waiter) | Waiter::Upgrade(waiter) => Some(waiter),
            Waiter::Nobody => None,
        };
        let progress = Progress {
            phase: Phase::Handshaking,
            waiter,
            timer: None,
            backlog: VecDeque::new(),
            encrypted: 0,
            behind: 0,
            peer: Peer::Talks,
            began: None,
        };
        Ok(Self {
            session,
            server_side: asked.server_side,
            reports,
            is_known,
            context: asked.context.clone_ref(py),
            handshake_timeout: asked.handshake_timeout.clone_ref(py),
            shutdown_timeout: asked.shutdown_timeout.clone_ref(py),
            answer_timeout: asked.answer_timeout.clone_ref(py),
            progress: LoopCell::new(progress),
        })
    }
}
