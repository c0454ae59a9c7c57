//! The contents of entries, unpacked and checked on a thread of their own, ahead of the one that
//! hashes and writes them.
//!
//! Input: entries. Output: their contents, one after the other, and where their deflate streams
//! end. Small contents are passed on together, because a message between threads costs more than
//! they do. Memory: [`WAITING`] pieces of about [`PIECE`] bytes, and those in use on both sides.

use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{Builder, scope};

use crate::archive::{Sink, StreamEnd};
use crate::error::{Error, Result};

/// How much is passed on at once, in bytes. More would not stay in the second cache of a processor.
const PIECE: usize = 1 << 17;
/// How many pieces may wait for the thread that writes.
const WAITING: usize = 4;

/// Passes the content of a number to the sink, and returns where its stream ends if it is deflated.
pub(super) type NextContent<'n> =
    dyn FnMut(usize, &mut Sink<'_>) -> Result<Option<StreamEnd>> + Send + 'n;

/// Calls `write`, which must ask for the contents of `numbers`, each once and in this order. A
/// second thread unpacks them ahead, with what `unpacker` returns. If the system gives no thread,
/// each content is unpacked when it is asked for.
///
/// # Errors
/// The error of `write`, or that of the content which it waits for.
pub(super) fn unpack_ahead<'n, R>(
    numbers: &[usize],
    unpacker: &(dyn Fn() -> Box<NextContent<'n>> + Sync),
    write: impl FnOnce(&mut NextContent<'_>) -> Result<R>,
) -> Result<R> {
    scope(|scope| {
        let (full, pieces) = mpsc::sync_channel(WAITING);
        let (used, empty) = mpsc::channel();
        let to = SentContents {
            full,
            empty,
            piece: Piece::default(),
            receiver_is_gone: false,
        };
        let work = move || send_contents(numbers, &mut *unpacker(), to);
        let Ok(thread) = Builder::new().spawn_scoped(scope, work) else {
            return write(&mut *unpacker());
        };
        let mut received = ReceivedContents {
            pieces,
            used,
            piece: Piece::default(),
            at: 0,
            has_ended: false,
        };
        let written = write(&mut |_, sink| received.next(sink));
        let has_ended = received.has_ended;
        // The other thread stops when it can send nothing more.
        drop(received);
        let sent = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // An error of a later content is left out, so that every run reports the same error.
        if has_ended {
            sent.and(written)
        } else {
            written
        }
    })
}

/// Bytes of one or more contents.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    /// Where contents end among the bytes, and where their streams do.
    ends: VecDeque<(usize, Option<StreamEnd>)>,
}

/// Unpacks the contents of all `numbers` and sends them. Stops without an error if the receiver is
/// gone.
fn send_contents(
    numbers: &[usize],
    unpack: &mut NextContent<'_>,
    mut to: SentContents,
) -> Result<()> {
    for &number in numbers {
        match unpack(number, &mut |content| to.add(content)) {
            Ok(end) => to.piece.ends.push_back((to.piece.bytes.len(), end)),
            Err(_) if to.receiver_is_gone => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    // It fails only if the receiver is gone.
    let _ = to.send();
    Ok(())
}

/// The contents as they are sent.
struct SentContents {
    full: SyncSender<Piece>,
    empty: Receiver<Piece>,
    piece: Piece,
    receiver_is_gone: bool,
}

impl SentContents {
    fn add(&mut self, content: &[u8]) -> Result<()> {
        self.piece.bytes.extend_from_slice(content);
        if self.piece.bytes.len() >= PIECE {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let next = self.empty.try_recv().unwrap_or_default();
        let sent = self.full.send(mem::replace(&mut self.piece, next));
        self.receiver_is_gone = sent.is_err();
        sent.map_err(|_| Error::interrupted())
    }
}

/// The contents as they arrive.
struct ReceivedContents {
    pieces: Receiver<Piece>,
    used: Sender<Piece>,
    piece: Piece,
    /// How many bytes of the piece were passed on.
    at: usize,
    /// Whether a content is missing because the other thread has ended.
    has_ended: bool,
}

impl ReceivedContents {
    /// Passes the next content to `sink`, and returns the end of its stream.
    fn next(&mut self, sink: &mut Sink<'_>) -> Result<Option<StreamEnd>> {
        loop {
            let end = self.piece.ends.front().map(|&(end, _)| end);
            let content = &self.piece.bytes[self.at..end.unwrap_or(self.piece.bytes.len())];
            if !content.is_empty() {
                sink(content)?;
                self.at += content.len();
            }
            if let Some((_, stream)) = self.piece.ends.pop_front() {
                return Ok(stream);
            }
            let Ok(next) = self.pieces.recv() else {
                // The other thread has an error, which is returned instead of this one.
                self.has_ended = true;
                return Err(Error::interrupted());
            };
            let mut piece = mem::replace(&mut self.piece, next);
            piece.bytes.clear();
            // The buffer is used again, unless the other thread has ended.
            let _ = self.used.send(piece);
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Contents of `lengths`, in parts of at most 50,000 bytes; the end tells the number.
    fn unpacker<'l>(lengths: &'l [usize]) -> impl Fn() -> Box<NextContent<'l>> + Sync {
        || {
            Box::new(|number, sink| {
                let content = content(number, lengths[number]);
                content.chunks(50_000).try_for_each(&mut *sink)?;
                Ok(end(number))
            })
        }
    }

    fn content(number: usize, length: usize) -> Vec<u8> {
        let byte = |at| u8::try_from((number * 31 + at) % 251).unwrap();
        (0..length).map(byte).collect()
    }

    fn end(number: usize) -> Option<StreamEnd> {
        let at = number as u64;
        (!number.is_multiple_of(3)).then_some(StreamEnd {
            last_header: at,
            end: at + 1,
        })
    }

    #[test]
    fn contents_of_every_length_come_in_their_order() {
        let lengths: Vec<usize> = [0, 1, 50_000, PIECE - 1, PIECE, PIECE + 1, 0, 10 * PIECE]
            .into_iter()
            .cycle()
            .take(100)
            .collect();
        let numbers: Vec<usize> = (0..lengths.len()).collect();
        unpack_ahead(&numbers, &unpacker(&lengths), |next| {
            for &number in &numbers {
                let mut found = Vec::new();
                let stream = next(number, &mut |part| {
                    found.extend_from_slice(part);
                    Ok(())
                })?;
                assert!(found == content(number, lengths[number]), "{number}");
                assert_eq!(stream, end(number));
            }
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_fault_of_a_content_is_the_error_of_the_writer_that_waits_for_it() {
        let asked = Mutex::new(Vec::new());
        let unpacker = || -> Box<NextContent<'_>> {
            Box::new(|number, sink| {
                asked.lock().unwrap().push(number);
                match number {
                    2 => Err(Error::usage("a fault")),
                    _ => sink(b"content").map(|()| None),
                }
            })
        };
        let error = unpack_ahead(&[1, 2, 3], &unpacker, |next| {
            next(1, &mut |_| Ok(()))?;
            next(2, &mut |_| Ok(())).map(|_| ())
        });
        assert_eq!(error.unwrap_err().to_string(), "a fault");
        assert_eq!(*asked.lock().unwrap(), [1, 2]);
    }

    #[test]
    fn a_fault_behind_the_content_that_the_writer_refuses_does_not_count() {
        let (found, is_found) = mpsc::channel();
        let unpacker = || -> Box<NextContent<'_>> {
            let found = &found;
            Box::new(move |number, sink| {
                if number == 1 {
                    return sink(&vec![0; PIECE]).map(|()| None);
                }
                found.send(()).unwrap();
                Err(Error::usage("a fault further ahead"))
            })
        };
        let error = unpack_ahead(&[1, 2], &unpacker, |next| {
            next(1, &mut move |_| {
                is_found.recv().unwrap();
                Err(Error::usage("the first fault"))
            })
        });
        assert_eq!(error.unwrap_err().to_string(), "the first fault");
    }

    #[test]
    fn a_writer_that_fails_ends_both_threads() {
        let lengths = vec![PIECE; 100];
        let numbers: Vec<usize> = (0..lengths.len()).collect();
        let error = unpack_ahead(&numbers, &unpacker(&lengths), |next| {
            next(0, &mut |_| Ok(()))?;
            Err::<(), _>(Error::usage("no space"))
        });
        assert_eq!(error.unwrap_err().to_string(), "no space");
    }
}
