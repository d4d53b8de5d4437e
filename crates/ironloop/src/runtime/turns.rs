//! Giving way.

use std::future::poll_fn;
use std::task::Poll;

/// Lets all that is ready run first, as `asyncio.sleep(0)` does.
pub async fn yield_now() {
    let mut given_way = false;
    poll_fn(|context| {
        if given_way {
            return Poll::Ready(());
        }
        given_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
