//! The traits of others: what is written by one of them is read by another.

#![cfg(all(feature = "futures-io", feature = "tokio-io", feature = "hyper"))]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use ironloop::net::UnixStream;
use ironloop::{block_on, spawn_local};

type Bytes = Vec<u8>;

const BYTES: usize = 300_000;

fn sent() -> Bytes {
    (0..BYTES).map(|number| (number % 251) as u8).collect()
}

async fn written_by_futures_io(mut stream: impl futures_io::AsyncWrite + Unpin) -> io::Result<()> {
    let (bytes, mut done) = (sent(), 0);
    while done < bytes.len() {
        done += poll_fn(|context| Pin::new(&mut stream).poll_write(context, &bytes[done..])).await?;
    }
    poll_fn(|context| Pin::new(&mut stream).poll_flush(context)).await?;
    poll_fn(|context| Pin::new(&mut stream).poll_close(context)).await
}

async fn written_by_tokio(mut stream: impl tokio::io::AsyncWrite + Unpin) -> io::Result<()> {
    assert!(stream.is_write_vectored());
    let (bytes, mut done) = (sent(), 0);
    while done < bytes.len() {
        let slices = [io::IoSlice::new(&[]), io::IoSlice::new(&bytes[done..])];
        done += poll_fn(|context| Pin::new(&mut stream).poll_write_vectored(context, &slices)).await?;
    }
    poll_fn(|context| Pin::new(&mut stream).poll_flush(context)).await?;
    poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await
}

async fn read_by_futures_io(mut stream: impl futures_io::AsyncRead + Unpin) -> io::Result<Bytes> {
    let (mut bytes, mut buffer) = (Bytes::new(), [0; 1000]);
    loop {
        match poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut buffer)).await? {
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Into memory that was written before, or was not.
async fn read_by_tokio(mut stream: impl tokio::io::AsyncRead + Unpin, fresh: bool) -> io::Result<Bytes> {
    let (mut bytes, mut written) = (Bytes::new(), [0; 1000]);
    loop {
        let mut raw = [std::mem::MaybeUninit::uninit(); 1000];
        let mut buffer = match fresh {
            true => tokio::io::ReadBuf::uninit(&mut raw),
            false => tokio::io::ReadBuf::new(&mut written),
        };
        buffer.put_slice(b"+");
        poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut buffer)).await?;
        match buffer.filled() {
            [b'+'] => return Ok(bytes),
            filled => bytes.extend_from_slice(&filled[1..]),
        }
    }
}

async fn read_by_hyper(mut stream: impl hyper::rt::Read + Unpin) -> io::Result<Bytes> {
    let (mut bytes, mut memory) = (Bytes::new(), [0; 1000]);
    loop {
        let mut buffer = hyper::rt::ReadBuf::new(&mut memory);
        poll_fn(|context| Pin::new(&mut stream).poll_read(context, buffer.unfilled())).await?;
        match buffer.filled() {
            [] => return Ok(bytes),
            filled => bytes.extend_from_slice(filled),
        }
    }
}

#[test]
fn what_is_written_by_the_traits_of_one_is_read_by_those_of_another() {
    block_on(async {
        for reader in 0..4 {
            let (left, right) = UnixStream::pair().unwrap();
            let (_, writes) = left.split();
            let writer = match reader % 2 {
                0 => spawn_local(written_by_tokio(writes)),
                _ => spawn_local(written_by_futures_io(writes)),
            };
            let bytes = match reader {
                0 => read_by_futures_io(right).await,
                1 => read_by_tokio(right, true).await,
                2 => read_by_tokio(right.split().0, false).await,
                _ => read_by_hyper(right).await,
            };
            assert!(bytes.unwrap() == sent(), "{reader}");
            writer.await.unwrap().unwrap();
        }
    });
}
