//! A web server on the loopback that misbehaves on request and keeps the requests it received.
//!
//! A [`Server`] serves the given files, with ranges and entity tags. A script of [`Turn`]s decides
//! how the next requests for a path are answered; after that the server behaves. It counts requests
//! and the bytes of bodies that it sent. If it is used as a proxy, it claims to have connected and
//! answers for the other host, unless the script of [`TUNNEL`] has another status. Limits: HTTP/1.1
//! `GET`, one thread per connection, no TLS.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use url::Url;

/// The beginning of the path of a request to connect to another host.
pub const TUNNEL: &str = "tunnel ";

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Turn {
    /// As it should be.
    Fine,
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// After so many bytes of the body nothing more comes, until the client goes.
    Stall(usize),
    /// Nothing comes at all, until the client goes.
    Silence,
    /// The connection ends without an answer.
    Drop,
    /// Other bytes than the file's, of the same length.
    Wrong,
    /// Other bytes than the file's, and then the end of the connection.
    WrongCut(usize),
    /// The header promises another length.
    Length(u64),
    /// A status, with further header lines, and no body.
    Status(u16, &'static str),
    /// A redirect.
    Redirect(String),
    /// The whole file, regardless of the range.
    NoRanges,
    /// The requested range, regardless of the condition.
    Unconditional,
    /// As if ranges were not supported.
    Unsatisfiable,
    /// In chunks, without a length; cut off after so many bytes if a number is given.
    Chunked(Option<usize>),
    /// A body that says that it is compressed.
    Encoded,
    /// A page.
    Html,
    /// The head and the body that a function makes of the file and the request.
    Made(fn(&[u8], &Seen) -> (String, Vec<u8>)),
}

/// A request as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub range: Option<String>,
    pub if_range: Option<String>,
    /// The value of `If-None-Match` or `If-Modified-Since`.
    pub unless_same: Option<String>,
    pub authorization: Option<String>,
    pub accept_encoding: Option<String>,
    pub user_agent: Option<String>,
}

#[derive(Default)]
struct Page {
    body: Arc<Vec<u8>>,
    tag: Option<String>,
    script: VecDeque<Turn>,
    always: Option<Turn>,
    seen: Vec<Seen>,
    sent: u64,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    /// The paths in the order of their requests.
    order: Mutex<Vec<String>>,
    connections: AtomicUsize,
    asked: Condvar,
    closed: AtomicBool,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Ordering::Relaxed) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}/{path}", self.address)).expect("it is one")
    }

    /// The address of a path with a name and a password, as URLs write them.
    pub fn url_with(&self, login: &str, path: &str) -> Url {
        Url::parse(&format!("http://{login}@{}/{path}", self.address)).expect("it is one")
    }

    /// Serves `body`, with a strong entity tag.
    pub fn put(&self, path: &str, body: &[u8]) {
        self.put_tagged(path, body, Some("\"one\""));
    }

    /// Serves `body`, with this entity tag or none.
    pub fn put_tagged(&self, path: &str, body: &[u8], tag: Option<&str>) {
        self.with(path, |page| {
            page.body = Arc::new(body.to_vec());
            page.tag = tag.map(str::to_owned);
        });
    }

    /// How the next requests of `path` are answered.
    pub fn script(&self, path: &str, turns: impl IntoIterator<Item = Turn>) {
        self.with(path, |page| page.script.extend(turns));
    }

    /// How all requests of `path` are answered, after the script.
    pub fn always(&self, path: &str, turn: Turn) {
        self.with(path, |page| page.always = Some(turn));
    }

    /// The requests for `path`.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.with(path, |page| page.seen.clone())
    }

    /// How many bytes of bodies were sent from `path`.
    pub fn sent(&self, path: &str) -> u64 {
        self.with(path, |page| page.sent)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The paths in the order of their requests.
    pub fn order(&self) -> Vec<String> {
        self.shared
            .order
            .lock()
            .expect("no thread panicked")
            .clone()
    }

    /// Blocks until so many requests of `path` have come.
    pub fn wait_for(&self, path: &str, requests: usize) {
        let pages = self.shared.pages.lock().expect("no thread panicked");
        let come = |pages: &mut HashMap<String, Page>| {
            pages
                .get(path)
                .is_none_or(|page| page.seen.len() < requests)
        };
        drop(
            self.shared
                .asked
                .wait_while(pages, come)
                .expect("no thread panicked"),
        );
    }

    fn with<T>(&self, path: &str, act: impl FnOnce(&mut Page) -> T) -> T {
        act(self
            .shared
            .pages
            .lock()
            .expect("no thread panicked")
            .entry(path.to_owned())
            .or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers the requests of one connection, until either side ends it.
fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some((path, seen)) = read_request(&mut reader) {
        if path.starts_with(TUNNEL) {
            shared.order.lock().expect("no thread panicked").push(path);
            let mut pages = shared.pages.lock().expect("no thread panicked");
            let page = pages.entry(TUNNEL.to_owned()).or_default();
            page.seen.push(seen);
            let turn = page.script.pop_front().or_else(|| page.always.clone());
            drop(pages);
            let status = match turn {
                Some(Turn::Status(status, _)) => status,
                _ => 200,
            };
            let answer = format!("HTTP/1.1 {status} So\r\n\r\n");
            if (&*stream).write_all(answer.as_bytes()).is_err() || status != 200 {
                return;
            }
            continue;
        }
        let answered = {
            let mut pages = shared.pages.lock().expect("no thread panicked");
            pages.get_mut(&path).map(|page| {
                page.seen.push(seen.clone());
                let turn = page
                    .script
                    .pop_front()
                    .or_else(|| page.always.clone())
                    .unwrap_or(Turn::Fine);
                (turn, Arc::clone(&page.body), page.tag.clone())
            })
        };
        shared
            .order
            .lock()
            .expect("no thread panicked")
            .push(path.clone());
        shared.asked.notify_all();
        let (turn, body, tag) = answered.unwrap_or((Turn::Status(404, ""), Arc::default(), None));
        let answer = Answer::of(&turn, &body, tag.as_deref(), &seen);
        let count = |bytes: usize| {
            if let Some(page) = shared
                .pages
                .lock()
                .expect("no thread panicked")
                .get_mut(&path)
            {
                page.sent += bytes as u64;
            }
        };
        if !answer.send(stream, count) {
            // Waits for the client, so that it sees no end of the connection before it leaves.
            if answer.waits {
                let _ = (&mut reader).take(1).read_to_end(&mut Vec::new());
            }
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Seen)> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?.trim_start_matches('/'));
    let path = if method == "CONNECT" {
        format!("{TUNNEL}{path}")
    } else {
        path.to_owned()
    };
    let mut seen = Seen::default();
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return Some((path, seen));
        };
        let field = match name.to_lowercase().as_str() {
            "range" => &mut seen.range,
            "if-range" => &mut seen.if_range,
            "if-none-match" | "if-modified-since" => &mut seen.unless_same,
            "authorization" | "proxy-authorization" => &mut seen.authorization,
            "accept-encoding" => &mut seen.accept_encoding,
            "user-agent" => &mut seen.user_agent,
            _ => continue,
        };
        *field = Some(value.to_owned());
    }
}

struct Answer {
    head: String,
    body: Vec<u8>,
    chunked: bool,
    /// The connection ends after it.
    ends: bool,
    /// It ends only when the client goes.
    waits: bool,
}

impl Answer {
    fn of(turn: &Turn, body: &[u8], tag: Option<&str>, seen: &Seen) -> Self {
        let plain = |head: String| Self {
            head,
            body: Vec::new(),
            chunked: false,
            ends: false,
            waits: false,
        };
        let is_same = seen.unless_same.is_some() && seen.unless_same.as_deref() == tag;
        let mut answer = match turn {
            Turn::Fine if is_same => plain("HTTP/1.1 304 Same\r\n\r\n".to_owned()),
            Turn::Silence => Self {
                waits: true,
                ends: true,
                ..plain(String::new())
            },
            Turn::Drop => Self {
                ends: true,
                ..plain(String::new())
            },
            Turn::Status(status, more) => plain(format!(
                "HTTP/1.1 {status} So\r\n{more}Content-Length: 0\r\n\r\n"
            )),
            Turn::Redirect(to) => plain(format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
            )),
            Turn::Unsatisfiable => plain(unsatisfiable(body)),
            Turn::Made(make) => {
                let (head, made) = make(body, seen);
                Self {
                    body: made,
                    ..plain(head)
                }
            }
            Turn::Html => {
                let page = b"<!DOCTYPE html><title>Log in</title>".to_vec();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
                    page.len()
                );
                Self {
                    body: page,
                    ..plain(head)
                }
            }
            Turn::Chunked(_) => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
                Self {
                    body: body.to_vec(),
                    chunked: true,
                    ..plain(head)
                }
            }
            _ => Self::file(turn, body, tag, seen),
        };
        match turn {
            Turn::Cut(count)
            | Turn::Stall(count)
            | Turn::WrongCut(count)
            | Turn::Chunked(Some(count)) => {
                answer.body.truncate(*count);
                answer.ends = true;
            }
            Turn::Length(_) => answer.ends = true,
            _ => {}
        }
        answer.waits |= matches!(turn, Turn::Stall(_));
        if matches!(turn, Turn::Wrong | Turn::WrongCut(_)) {
            answer
                .body
                .iter_mut()
                .skip(2)
                .for_each(|byte| *byte ^= 0x55);
        }
        answer
    }

    fn file(turn: &Turn, body: &[u8], tag: Option<&str>, seen: &Seen) -> Self {
        let conditional = seen.if_range.is_some() && !matches!(turn, Turn::Unconditional);
        let changed = conditional && seen.if_range.as_deref() != tag;
        let asked = seen
            .range
            .as_deref()
            .filter(|_| !changed && !matches!(turn, Turn::NoRanges));
        let range = match asked.map(|asked| range_of(asked, body.len())) {
            Some(None) => {
                let head = unsatisfiable(body);
                return Self {
                    head,
                    body: Vec::new(),
                    chunked: false,
                    ends: false,
                    waits: false,
                };
            }
            Some(Some(range)) => Some(range),
            None => None,
        };
        let part = range.clone().unwrap_or(0..body.len());
        let length = if let Turn::Length(length) = turn {
            *length
        } else {
            part.len() as u64
        };
        let mut head = match &range {
            Some(range) => {
                let last = range.end - 1;
                format!(
                    "HTTP/1.1 206 Part\r\nContent-Range: bytes {}-{last}/{}\r\n",
                    range.start,
                    body.len()
                )
            }
            None => "HTTP/1.1 200 OK\r\n".to_owned(),
        };
        // A body that begins so is a page of a package index.
        let kind = if body.starts_with(b"{\"meta\"") {
            "application/vnd.pypi.simple.v1+json\r\nCache-Control: max-age=600"
        } else {
            "application/octet-stream"
        };
        head += &format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
        if let Some(tag) = tag {
            // A date has no quotes.
            let name = if tag.contains('"') {
                "ETag"
            } else {
                "Last-Modified"
            };
            head += &format!("{name}: {tag}\r\n");
        }
        if matches!(turn, Turn::Encoded) {
            head += "Content-Encoding: gzip\r\n";
        }
        Self {
            head: head + "\r\n",
            body: body[part].to_vec(),
            chunked: false,
            ends: false,
            waits: false,
        }
    }

    /// Whether the connection can go on.
    fn send(&self, mut stream: &TcpStream, count: impl Fn(usize)) -> bool {
        if stream.write_all(self.head.as_bytes()).is_err() {
            return false;
        }
        for piece in self.body.chunks(1 << 14) {
            let frame = if self.chunked {
                format!("{:x}\r\n", piece.len())
            } else {
                String::new()
            };
            let end: &[u8] = if self.chunked { b"\r\n" } else { b"" };
            count(piece.len());
            let whole = [frame.as_bytes(), piece, end].concat();
            if stream.write_all(&whole).is_err() {
                return false;
            }
        }
        !self.ends && (!self.chunked || stream.write_all(b"0\r\n\r\n").is_ok())
    }
}

fn unsatisfiable(body: &[u8]) -> String {
    format!(
        "HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n",
        body.len()
    )
}

/// The bytes that `Range` requests of a file of this length; `None` if there are none.
pub fn range_of(text: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", last) => length.saturating_sub(last.parse().ok()?)..length,
        (first, "") => first.parse().ok()?..length,
        (first, last) => first.parse().ok()?..length.min(last.parse::<usize>().ok()? + 1),
    };
    (range.start < range.end).then_some(range)
}
