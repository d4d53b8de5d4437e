//! `getaddrinfo`.

use std::ffi::{CStr, CString};
use std::io;
use std::ptr;

use super::socket::internet_address_of;
use crate::lookup::{Found, Question, Unknown};

pub(crate) fn look_up(question: &Question) -> Result<Vec<Found>, Unknown> {
    // SAFETY: all zeros is a valid addrinfo, and what is asked for without more.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = question.family;
    hints.ai_socktype = question.kind;
    hints.ai_protocol = question.protocol;
    hints.ai_flags = question.flags;
    let text = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    let mut first: *mut libc::addrinfo = ptr::null_mut();
    // SAFETY: both texts are null or end with zero, and outlive the call; hints and place are this frame's.
    let code = unsafe {
        libc::getaddrinfo(text(&question.host), text(&question.service), &raw const hints, &raw mut first)
    };
    if code == libc::EAI_SYSTEM {
        return Err(Unknown::System(io::Error::last_os_error().raw_os_error().unwrap_or_default()));
    }
    if code != 0 {
        // SAFETY: a text of the C library's own that stays.
        let why = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
        return Err(Unknown::Resolver(code, why.to_string_lossy().into_owned()));
    }
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: a list of the C library's, ended by null, which is freed only below.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ai_next;
        // SAFETY: an entry's address is as long as the entry says.
        let address = unsafe { internet_address_of(entry.ai_addr, entry.ai_addrlen) };
        let Some(address) = address else { continue };
        let named = (!entry.ai_canonname.is_null()).then_some(entry.ai_canonname);
        // SAFETY: not null, so it is a name that ends with zero.
        let canonical = named.map(|name| unsafe { CStr::from_ptr(name) }.to_owned());
        found.push(Found {
            family: entry.ai_family,
            kind: entry.ai_socktype,
            protocol: entry.ai_protocol,
            canonical,
            address,
        });
    }
    // SAFETY: the list that the call above has given, which nobody uses any more.
    unsafe { libc::freeaddrinfo(first) };
    Ok(found)
}
