//! Where a reply sends us, and what of the request goes there.

use bytes::Bytes;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, LOCATION,
    PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use hyper::{Method, StatusCode};

use crate::connection::Response;
use crate::error::Error;
use crate::headers::text;
use crate::payload::Payload;
use crate::request::{Request, parse};

/// Makes of the request the one that follows. False: the reply is for the caller.
pub fn follow(request: &mut Request, response: &Response) -> Result<bool, Error> {
    let Some(location) = response.headers().get(LOCATION) else { return Ok(false) };
    let becomes_get = match response.status() {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => request.method == Method::POST,
        StatusCode::SEE_OTHER => request.method != Method::HEAD,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
        _ => return Ok(false),
    };
    if becomes_get {
        request.method = Method::GET;
        request.payload = Some(Payload::Whole(None::<Bytes>));
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, TRANSFER_ENCODING] {
            request.headers.remove(name);
        }
    } else if request.payload.is_none() {
        return Ok(false); // an iterator cannot be sent again
    }
    let location = text(location);
    let bad = |error| Error::InvalidUrl(format!("redirected to {location}: {error}"));
    let url = parse(request.url.join(&location).map_err(bad)?.as_str())?;
    if url.origin() != request.url.origin() {
        // They were for the one who was asked.
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HOST] {
            request.headers.remove(name);
        }
    }
    request.url = url;
    Ok(true)
}
