//! Connecting to whichever of several addresses answers first (RFC 8305, "happy eyeballs").
//!
//! An attempt has a head start, then the next one begins beside it; at once, if it fails. Who loses is dropped.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::time::sleep;

/// So long an attempt is alone.
const HEAD_START: Duration = Duration::from_millis(250);

/// The first that succeeds. If none does: the error of the one that has failed last.
pub(super) async fn race<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut addresses = in_turns(addresses).into_iter();
    let mut attempts = Vec::<Pin<Box<F>>>::new();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut head_start = pin!(sleep(HEAD_START));
    poll_fn(move |context| {
        loop {
            let before = attempts.len();
            match poll_each(&mut attempts, context) {
                Some(Ok(connected)) => return Poll::Ready(Ok(connected)),
                Some(Err(error)) => failed = error,
                None => {}
            }
            let is_next = attempts.len() < before || attempts.is_empty();
            // Without a next one nobody need wake us for it.
            if addresses.len() > 0 && (is_next || head_start.as_mut().poll(context).is_ready()) {
                attempts.extend(addresses.next().map(|address| Box::pin(connect(address))));
                head_start.set(sleep(HEAD_START));
            } else if attempts.is_empty() {
                return Poll::Ready(Err(std::mem::replace(&mut failed, io::ErrorKind::Other.into())));
            } else {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// A success, or the last error of those that fail, which are taken out.
fn poll_each<T, F>(attempts: &mut Vec<Pin<Box<F>>>, context: &mut Context<'_>) -> Option<io::Result<T>>
where
    F: Future<Output = io::Result<T>>,
{
    let mut outcome = None;
    attempts.retain_mut(|attempt| {
        if matches!(outcome, Some(Ok(_))) {
            return true;
        }
        match attempt.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(ended) => {
                outcome = Some(ended);
                false
            }
        }
    });
    outcome
}

/// The families in turns, beginning with that of the first: where one of them leads nowhere, the other comes
/// soon.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv4) else { return addresses };
    let count = addresses.len();
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first);
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        ordered.extend(ours.next());
        ordered.extend(others.next());
    }
    ordered
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::runtime::Runtime;
    use crate::time::Instant;

    const FOUR: &str = "192.0.2.1:80";
    const SIX: &str = "[2001:db8::1]:80";

    fn parse(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().expect("an address")).collect()
    }

    /// What becomes of attempts that take so many milliseconds, in virtual time: the outcome, when it came, and
    /// when each began.
    fn run(attempts: &[(u64, bool)]) -> (Result<u16, String>, u128, Vec<u128>) {
        let addresses =
            (0..attempts.len()).map(|port| SocketAddr::from(([192, 0, 2, 1], port as u16))).collect();
        Runtime::simulated(1).expect("a runtime").block_on(async {
            let begin = Instant::now();
            let begun = RefCell::new(Vec::new());
            let outcome = race(addresses, async |address: SocketAddr| {
                begun.borrow_mut().push(begin.elapsed().as_millis());
                let (millis, succeeds) = attempts[usize::from(address.port())];
                sleep(Duration::from_millis(millis)).await;
                if succeeds { Ok(address.port()) } else { Err(io::Error::other(address.port().to_string())) }
            })
            .await;
            (outcome.map_err(|error| error.to_string()), begin.elapsed().as_millis(), begun.take())
        })
    }

    #[test]
    fn the_first_alone_if_it_answers_in_time() {
        assert_eq!(run(&[(200, true), (1, true)]), (Ok(0), 200, vec![0]));
    }

    #[test]
    fn the_next_begins_beside_one_that_does_not_answer() {
        assert_eq!(run(&[(60_000, true), (60_000, true), (10, true)]), (Ok(2), 510, vec![0, 250, 500]));
        assert_eq!(run(&[(300, true), (100, true)]), (Ok(0), 300, vec![0, 250]));
    }

    #[test]
    fn the_next_begins_at_once_where_one_fails() {
        assert_eq!(run(&[(10, false), (10, false), (10, true)]), (Ok(2), 30, vec![0, 10, 20]));
        // Its head start is its own.
        assert_eq!(run(&[(200, false), (300, true), (60_000, true)]), (Ok(1), 500, vec![0, 200, 450]));
    }

    #[test]
    fn the_last_error_if_none_answers() {
        assert_eq!(run(&[(300, false), (10, false)]), (Err("0".to_owned()), 300, vec![0, 250]));
        assert_eq!(run(&[]), (Err("the name has no address".to_owned()), 0, vec![]));
    }

    #[test]
    fn families_take_turns() {
        let second = "[2001:db8::2]:80";
        assert_eq!(in_turns(parse(&[SIX, second, FOUR])), parse(&[SIX, FOUR, second]));
        assert_eq!(in_turns(parse(&[FOUR, SIX, second])), parse(&[FOUR, SIX, second]));
        assert_eq!(in_turns(parse(&[SIX])), parse(&[SIX]));
    }
}
