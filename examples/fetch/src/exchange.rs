//! From a request to its reply: over connections of the pool, along redirects.

use std::sync::Arc;

use url::Url;

use crate::body::Body;
use crate::connection::Response;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::pool::{Lease, Pool};
use crate::redirect;
use crate::reply::Reply;
use crate::request::Request;

pub async fn run(pool: Arc<Pool>, request: Request) -> Result<Reply, Error> {
    let mut deadline = Deadline::after(request.timeout);
    let (url, response, lease) = deadline.within(follow(&pool, request)).await?;
    let (head, incoming) = response.into_parts();
    Ok(Reply::new(url, head, Body::new(incoming, lease, deadline).await))
}

async fn follow(pool: &Arc<Pool>, mut request: Request) -> Result<(Url, Response, Lease), Error> {
    let mut redirects = 0;
    loop {
        let (response, lease) = send(pool, &mut request).await?;
        let asked = request.url.clone();
        if request.max_redirects == 0 || !redirect::follow(&mut request, &response)? {
            return Ok((asked, response, lease));
        }
        if redirects == request.max_redirects {
            return Err(Error::TooManyRedirects(redirects, asked.into()));
        }
        redirects += 1;
        Body::new(response.into_body(), lease, Deadline::after(None)).await.skip().await;
    }
}

/// A server may close an idle connection while a request is on its way to it. Then the request goes by a new
/// one, if the server cannot have seen it, or may see it twice.
async fn send(pool: &Arc<Pool>, request: &mut Request) -> Result<(Response, Lease), Error> {
    let message = request.message()?;
    let mut lease = pool.lease(&request.url, false).await?;
    let mut failed = match lease.connection.send(message).await {
        Ok(response) => return Ok((response, lease)),
        Err(failed) => failed,
    };
    let (unsent, error) = (failed.take_message(), Error::from(failed.into_error()));
    let is_stale = lease.is_old && matches!(error, Error::Disconnected(_));
    let repeated = unsent.or_else(|| if request.may_be_repeated() { request.message().ok() } else { None });
    let Some(message) = repeated.filter(|_| is_stale) else { return Err(error) };
    drop(lease);
    let mut lease = pool.lease(&request.url, true).await?;
    let response = lease.connection.send(message).await.map_err(|failed| failed.into_error())?;
    Ok((response, lease))
}
