//! Proxies and certificates: which requests need them, and the messages of those that fail.
//!
//! The names and passwords that servers receive are in [`credentials`](crate::credentials).

use std::sync::atomic::{AtomicUsize, Ordering};

use pkg_install::download::Settings;
use pkg_install::error::ErrorKind;
use pkg_install::outcome::{Events, Retry, Silent};

use crate::credentials::{ANNA, ANNA_IN_URL};
use crate::downloads::{NAME, body, downloader, fails, loose, settings};
use crate::support::http_server::{Server, TUNNEL, Turn};
use crate::support::scene::Scene;

#[test]
fn a_proxy_is_asked_for_a_tunnel_unless_the_host_is_left_out() {
    let (scene, server, proxy, bytes) = (
        Scene::new(),
        Server::start(),
        Server::start(),
        body(1000, 4),
    );
    server.put(NAME, &bytes);
    proxy.put(NAME, &bytes);
    let address = proxy.url_with(ANNA_IN_URL, "").to_string();
    let through = Settings {
        http_proxy: Some(address),
        cache: None,
        ..settings(&scene)
    };
    downloader(&through)
        .fetch(&loose(server.url(NAME)), &Silent)
        .expect("it comes");
    let host = server.url(NAME).port().expect("it has one");
    assert_eq!(
        proxy.order(),
        [format!("{TUNNEL}127.0.0.1:{host}"), NAME.to_owned()]
    );
    assert_eq!(proxy.seen(TUNNEL)[0].authorization.as_deref(), Some(ANNA));
    assert_eq!(proxy.seen(NAME)[0].authorization, None);
    assert_eq!(server.order(), [""; 0]);
    let around = Settings {
        no_proxy: Some("example.org,\n127.0.0.0/8".to_owned()),
        ..through
    };
    downloader(&around)
        .fetch(&loose(server.url(NAME)), &Silent)
        .expect("it comes");
    assert_eq!(server.order(), [NAME]);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let scene = Scene::new();
    let empty = scene.join("empty.pem");
    std::fs::write(&empty, "none").expect("it can be written");
    let base = settings(&scene);
    let certificates = |path| Settings {
        certificates: Some(path),
        ..base.clone()
    };
    let proxy = |address: &str| Settings {
        https_proxy: Some(address.to_owned()),
        ..base.clone()
    };
    for (settings, code, says) in [
        (certificates(empty), "certificates", "holds no certificate"),
        (
            certificates(scene.join("missing.pem")),
            "certificates",
            "missing.pem",
        ),
        (
            proxy("http://:secret@"),
            "proxy",
            "write `http://host:port`",
        ),
        (
            proxy("socks5://bert:secret@127.0.0.1:9"),
            "proxy",
            "SOCKS proxies are not supported",
        ),
        (
            proxy("SOCKS4://bert:secret@127.0.0.1:9"),
            "proxy",
            "`socks4://127.0.0.1:9`",
        ),
        (
            proxy("ftp://bert:secret@127.0.0.1:9"),
            "proxy",
            "only `http` and `https` proxies",
        ),
    ] {
        let told = Told::default();
        let url = url::Url::parse("https://127.0.0.1:1/a.whl").expect("it is one");
        let result = downloader(&settings).fetch(&loose(url), &told);
        let error = fails(result, ErrorKind::Failed, &[says]);
        assert_eq!(error.code(), code);
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(told.retries(), 0, "it is said once");
        // Requests that do not need them are made.
        let server = Server::start();
        server.put(NAME, b"PK");
        downloader(&settings)
            .fetch(&loose(server.url(NAME)), &Silent)
            .expect("it comes");
    }
}

/// Counts the tries after a failure.
#[derive(Default)]
struct Told(AtomicUsize);

impl Told {
    fn retries(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Events for Told {
    fn transfer_retry(&self, _: usize, _: &Retry) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_proxy_that_fails_is_named_and_a_wrong_login_is_sent_once() {
    let (scene, server, proxy) = (Scene::new(), Server::start(), Server::start());
    server.put(NAME, &body(1000, 4));
    let asked = |address: String, code: &str, says: &str| {
        let settings = Settings {
            http_proxy: Some(address),
            retries: 1,
            cache: None,
            ..settings(&scene)
        };
        let result = downloader(&settings).fetch(&loose(server.url(NAME)), &Silent);
        let error = fails(result, ErrorKind::Failed, &[says]);
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().contains("s3cr"), "{error}");
    };
    let label = format!("`http://{}`", proxy.url("").authority());
    for (status, code, says, tries) in [
        (407, "proxy-credentials", "refuses the login", 1),
        (403, "proxy", "makes no tunnel: HTTP 403 Forbidden", 1),
        (405, "proxy", "makes no tunnel: HTTP 405", 1),
        (501, "proxy", "makes no tunnel: HTTP 501", 1),
        (502, "proxy", "HTTP 502 Bad Gateway", 2),
    ] {
        proxy.always(TUNNEL, Turn::Status(status, ""));
        let before = proxy.seen(TUNNEL).len();
        let address = proxy.url_with(ANNA_IN_URL, "").to_string();
        asked(
            address,
            code,
            &format!("the proxy {label} {says}").replace("` HTTP", "`: HTTP"),
        );
        assert_eq!(proxy.seen(TUNNEL).len() - before, tries, "{status}");
    }
    proxy.always(TUNNEL, Turn::Status(407, ""));
    asked(
        proxy.url("").to_string(),
        "proxy-credentials",
        "asks for a login",
    );
    asked(
        format!("http://{ANNA_IN_URL}@127.0.0.1:1"),
        "proxy",
        "the proxy `http://127.0.0.1:1`",
    );
    let unknown = format!("http://{ANNA_IN_URL}@no-such-host.invalid:1");
    asked(
        unknown,
        "proxy",
        "the host of the proxy `http://no-such-host.invalid:1` is not known",
    );
    assert_eq!(server.order(), [""; 0]);
}

#[test]
fn an_https_address_of_an_http_server_is_explained() {
    let (scene, server) = (Scene::new(), Server::start());
    // What it takes for a request is none, so its answer is not TLS.
    server.always("", Turn::Status(400, ""));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 16];
            let _ = std::io::Read::read(&mut &stream, &mut head);
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            let _ = std::io::Write::write_all(&mut &stream, answer);
        }
    });
    let url = url::Url::parse(&format!("https://127.0.0.1:{port}/{NAME}")).expect("it is one");
    let told = Told::default();
    let result = downloader(&settings(&scene)).fetch(&loose(url), &told);
    let says = format!("`127.0.0.1` does not speak TLS at port {port}");
    let error = fails(result, ErrorKind::Failed, &[&says, "may be `http`"]);
    assert_eq!((error.code(), told.retries()), ("tls", 0));
}
