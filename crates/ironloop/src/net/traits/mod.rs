//! The traits by which others read and write, each behind its feature.

#[cfg(feature = "hyper")]
mod hyper;
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
mod scratch;
#[cfg(feature = "tokio-io")]
mod tokio_io;

#[cfg(feature = "hyper")]
pub(crate) use hyper::fill as fill_hyper;
#[cfg(feature = "tokio-io")]
pub(crate) use tokio_io::fill as fill_tokio;

/// The traits of what reads.
macro_rules! reads {
    ($type:ty) => {
        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                Self::poll_read(self.get_mut(), context, buffer)
            }
        }

        #[cfg(feature = "tokio-io")]
        impl tokio::io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let this = self.get_mut();
                $crate::net::traits::fill_tokio(buffer, |room| this.poll_read(context, room))
            }
        }

        #[cfg(feature = "hyper")]
        impl hyper::rt::Read for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let this = self.get_mut();
                $crate::net::traits::fill_hyper(buffer, |room| this.poll_read(context, room))
            }
        }
    };
}

/// The traits of what writes. Nothing waits in the program, so there is nothing to flush.
macro_rules! writes {
    ($type:ty) => {
        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                Self::poll_write(self.get_mut(), context, bytes)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                Self::poll_write_vectored(self.get_mut(), context, slices)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.io.shutdown_write())
            }
        }

        #[cfg(feature = "tokio-io")]
        $crate::net::traits::writes_as!(tokio::io::AsyncWrite, $type);
        #[cfg(feature = "hyper")]
        $crate::net::traits::writes_as!(hyper::rt::Write, $type);
    };
}

/// Those of Tokio and hyper are alike.
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
macro_rules! writes_as {
    ($trait:path, $type:ty) => {
        impl $trait for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                Self::poll_write(self.get_mut(), context, bytes)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                Self::poll_write_vectored(self.get_mut(), context, slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.io.shutdown_write())
            }
        }
    };
}

#[cfg(any(feature = "tokio-io", feature = "hyper"))]
pub(crate) use writes_as;
pub(crate) use {reads, writes};
