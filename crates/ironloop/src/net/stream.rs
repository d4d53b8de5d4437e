//! What can be done with a stream, or with one half of it: written once, as methods and as traits.

/// Reading, for a type with a field `io`.
macro_rules! reads {
    ($type:ty) => {
        impl $type {
            /// Reads what has come, as much as fits; 0 is the end.
            ///
            /// # Errors
            ///
            /// The kernel's; or the socket is used where its loop does not poll, as of each that waits.
            pub async fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                std::future::poll_fn(|context| self.poll_read(context, buffer)).await
            }

            /// Fills the buffer.
            ///
            /// # Errors
            ///
            /// [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) if the end comes before; what was read is
            /// lost then, and so it is where the future is dropped.
            pub async fn read_exact(&mut self, buffer: &mut [u8]) -> std::io::Result<()> {
                let mut filled = 0;
                while filled < buffer.len() {
                    match self.read(&mut buffer[filled..]).await? {
                        0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                        count => filled += count,
                    }
                }
                Ok(())
            }

            /// Reads until the end, behind what is there; says how much.
            ///
            /// # Errors
            ///
            /// As [`read`](Self::read); what has come before is in the vector.
            pub async fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
                let begin = bytes.len();
                let mut room = 1024;
                loop {
                    let filled = bytes.len();
                    bytes.resize(filled + room, 0);
                    let read = self.read(&mut bytes[filled..]).await;
                    bytes.truncate(filled + read.as_ref().map_or(0, |count| *count));
                    match read? {
                        0 => return Ok(filled - begin),
                        count if count == room => room = (room * 2).min(256 * 1024),
                        _ => {}
                    }
                }
            }

            /// [`read`](Self::read) for a future of one's own.
            pub fn poll_read(
                &mut self,
                context: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.io.poll_read($crate::net::readiness::Waits::Owner, context, buffer)
            }
        }

        $crate::net::traits::reads!($type);
    };
}

/// Writing, for a type with a field `io`.
macro_rules! writes {
    ($type:ty) => {
        impl $type {
            /// Writes what there is room for, and says how much that was.
            ///
            /// # Errors
            ///
            /// The kernel's; or the socket is used where its loop does not poll, as of each that waits.
            pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                std::future::poll_fn(|context| self.poll_write(context, bytes)).await
            }

            /// Writes all of it. Nothing waits in the program afterwards: there is nothing to flush.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write). Some of it may have been written, and so it may be where the future
            /// is dropped.
            pub async fn write_all(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
                while !bytes.is_empty() {
                    match self.write(bytes).await? {
                        0 => return Err(std::io::ErrorKind::WriteZero.into()),
                        count => bytes = &bytes[count..],
                    }
                }
                Ok(())
            }

            /// [`write`](Self::write) of several slices with one call.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write).
            pub async fn write_vectored(
                &mut self,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                std::future::poll_fn(|context| self.poll_write_vectored(context, slices)).await
            }

            /// Tells the peer that nothing more comes: he reads the end, and may go on writing.
            ///
            /// # Errors
            ///
            /// The kernel's.
            #[allow(clippy::unused_async, reason = "elsewhere it waits, and a loop by completions would")]
            pub async fn shutdown(&mut self) -> std::io::Result<()> {
                self.io.shutdown_write()
            }

            /// [`write`](Self::write) for a future of one's own.
            pub fn poll_write(
                &mut self,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.io.poll_write($crate::net::readiness::Waits::Owner, context, bytes)
            }

            /// [`write_vectored`](Self::write_vectored) for a future of one's own.
            pub fn poll_write_vectored(
                &mut self,
                context: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.io.poll_write_vectored($crate::net::readiness::Waits::Owner, context, slices)
            }
        }

        $crate::net::traits::writes!($type);
    };
}

/// A socket's descriptor, for a type with a field `io`.
macro_rules! has_descriptor {
    ($type:ty) => {
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.io.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(self))
            }
        }
    };
}

pub(crate) use {has_descriptor, reads, writes};
