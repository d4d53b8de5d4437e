//! A request: what Python asks for, checked, and what of it is sent.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};
use url::{Position, Url};

use crate::error::Error;
use crate::headers;
use crate::payload::Payload;

/// What a client's requests have in common.
pub struct Defaults {
    pub headers: HeaderMap,
    pub timeout: Option<Duration>,
    pub max_redirects: u32,
}

pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// None once it was sent and cannot be sent again.
    pub payload: Option<Payload>,
    pub timeout: Option<Duration>,
    pub max_redirects: u32,
}

impl Request {
    /// `options` are the keyword arguments of a call.
    pub fn new(
        defaults: &Defaults,
        method: &str,
        url: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> Result<Self, Error> {
        let bad_method = || PyValueError::new_err(format!("not a method: {method:?}"));
        let mut request = Self {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| bad_method())?,
            url: parse(url)?,
            headers: defaults.headers.clone(),
            payload: Some(Payload::Whole(None)),
            timeout: defaults.timeout,
            max_redirects: defaults.max_redirects,
        };
        for (name, value) in options.into_iter().flatten() {
            request.set(name.extract()?, &value)?;
        }
        Ok(request)
    }

    fn set(&mut self, option: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match option {
            "timeout" => self.timeout = seconds(value)?,
            "max_redirects" => self.max_redirects = value.extract()?,
            _ if value.is_none() => {}
            "headers" => headers::set(&mut self.headers, value)?,
            "params" => {
                for pair in value.cast::<PyMapping>()?.items()?.iter() {
                    let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
                    let (name, value) = (name.str()?, value.str()?);
                    self.url.query_pairs_mut().append_pair(&name.to_cow()?, &value.to_cow()?);
                }
            }
            "body" => self.payload = Some(Payload::from_python(value)?),
            "json" => {
                let text: String = value.py().import("json")?.call_method1("dumps", (value,))?.extract()?;
                self.payload = Some(Payload::Whole(Some(Bytes::from(text))));
                let json = HeaderValue::from_static("application/json");
                self.headers.entry(CONTENT_TYPE).or_insert(json);
            }
            _ => return Err(PyTypeError::new_err(format!("a request has no option '{option}'"))),
        }
        Ok(())
    }

    /// What is sent of it, while it can be sent.
    pub fn message(&mut self) -> Result<hyper::Request<Payload>, Error> {
        let again = self.payload.as_ref().and_then(Payload::again).or_else(|| self.payload.take());
        let mut message = hyper::Request::new(again.ok_or(Error::Closed("the body was sent already"))?);
        *message.method_mut() = self.method.clone();
        // What a URL has in its path is in the path of a URI, which has a greatest length.
        let path = self.url[Position::BeforePath..Position::AfterQuery].parse::<Uri>();
        *message.uri_mut() = path.map_err(|error| self.bad_url(&error))?;
        *message.headers_mut() = self.headers.clone();
        let host = HeaderValue::from_str(&self.url[Position::BeforeHost..Position::AfterPort]);
        let host = host.map_err(|error| self.bad_url(&error))?;
        message.headers_mut().entry(HOST).or_insert(host);
        // Methods of which a body is expected say that there is none.
        if message.body().is_end_stream() && matches!(self.method, Method::POST | Method::PUT | Method::PATCH)
        {
            message.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        Ok(message)
    }

    fn bad_url(&self, why: &dyn Display) -> Error {
        Error::InvalidUrl(format!("{:.100}: {why}", self.url.as_str()))
    }

    /// Whether it does no harm if the server has it twice.
    pub fn may_be_repeated(&self) -> bool {
        self.method.is_idempotent() && self.payload.is_some()
    }
}

pub fn parse(url: &str) -> Result<Url, Error> {
    let bad = |why: &str| Error::InvalidUrl(format!("{url}: {why}"));
    let parsed = Url::parse(url).map_err(|error| bad(&error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(bad("not http:// or https://"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(bad("a user belongs into the header Authorization"));
    }
    Ok(parsed)
}

/// Of None, no limit.
pub fn seconds(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    let Some(seconds) = value.extract::<Option<f64>>()? else { return Ok(None) };
    let bad = |_| PyValueError::new_err(format!("not a time to wait: {seconds}"));
    Duration::try_from_secs_f64(seconds).map(Some).map_err(bad)
}

/// The headers that each request has unless it says otherwise.
pub fn common_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let name = concat!("ironloop-fetch/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(name));
    headers
}
