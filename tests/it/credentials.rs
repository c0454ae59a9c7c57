//! Names, passwords and redirects: which servers receive credentials, and that no message shows
//! them.

use pkg_install::download::{RemoteFile, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::error::WarningCode;
use pkg_install::outcome::Silent;

use crate::downloads::{NAME, body, content, downloader, fails, files, loose, pinned, settings};
use crate::support::http_server::{Server, TUNNEL, Turn};
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

/// `anna:s3cr t` in base64, and as URLs write it.
pub const ANNA: &str = "Basic YW5uYTpzM2NyIHQ=";
pub const ANNA_IN_URL: &str = "anna:s3cr%20t";

#[test]
fn credentials_of_the_address_go_to_its_host_and_to_no_other() {
    let (scene, server, other, bytes) = (
        Scene::new(),
        Server::start(),
        Server::start(),
        body(1000, 1),
    );
    server.script("start", [Turn::Redirect("/here".to_owned())]);
    server.put("start", b"");
    server.put("here", b"");
    server.script("here", [Turn::Redirect(other.url(NAME).into())]);
    other.put(NAME, &bytes);
    let wanted = pinned(server.url_with(ANNA_IN_URL, "start"), &bytes);
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    for path in ["start", "here"] {
        assert_eq!(
            server.seen(path)[0].authorization.as_deref(),
            Some(ANNA),
            "{path}"
        );
    }
    assert_eq!(other.seen(NAME)[0].authorization, None);
    // Another name of the same machine is another host.
    server.put(NAME, &bytes);
    let mut elsewhere = server.url(NAME);
    elsewhere.set_host(Some("localhost")).expect("it is a host");
    server.script("start", [Turn::Redirect(elsewhere.into())]);
    let wanted = RemoteFile {
        file_name: "b.whl".to_owned(),
        ..wanted
    };
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    assert_eq!(server.seen(NAME)[0].authorization, None);
}

#[test]
fn the_netrc_file_is_asked_by_host_and_the_address_goes_before_it() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(1000, 2));
    server.put(NAME, &bytes);
    let netrc = scene.join("netrc");
    std::fs::write(&netrc, "machine 127.0.0.1 login bert password x\n").expect("it can be written");
    let settings = Settings {
        netrc: Some(netrc),
        cache: None,
        ..settings(&scene)
    };
    for (url, expected) in [
        (server.url(NAME), Some("Basic YmVydDp4")),
        (server.url_with(ANNA_IN_URL, NAME), Some(ANNA)),
    ] {
        downloader(&settings)
            .fetch(&loose(url), &Silent)
            .expect("it comes");
        assert_eq!(
            server
                .seen(NAME)
                .last()
                .expect("it was asked")
                .authorization
                .as_deref(),
            expected
        );
    }
    let missing = Settings {
        netrc: Some(scene.join("missing")),
        ..settings
    };
    downloader(&missing)
        .fetch(&loose(server.url(NAME)), &Silent)
        .expect("no netrc is no error");
    assert_eq!(
        server
            .seen(NAME)
            .last()
            .expect("it was asked")
            .authorization,
        None
    );
}

#[test]
fn no_message_and_no_file_holds_a_password() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(100_000, 3));
    server.put(NAME, &bytes);
    let proxy = Some("http://bert:hidden@127.0.0.1:1".to_owned());
    let settings = Settings {
        retries: 0,
        https_proxy: proxy,
        ..settings(&scene)
    };
    let downloader = downloader(&settings);
    let wanted = RemoteFile {
        size: Some(bytes.len() as u64),
        ..loose(server.url_with(ANNA_IN_URL, NAME))
    };
    let mut texts = vec![format!(
        "{settings:?} {downloader:?} {wanted:?} {:?}",
        downloader.peek(&wanted)
    )];
    let turns = [
        // To the range, and to the request for the whole file that follows.
        Turn::Status(401, ""),
        Turn::Status(401, ""),
        Turn::Status(503, ""),
        Turn::Html,
        Turn::Encoded,
        Turn::Cut(0),
        Turn::Redirect("/a-1-py3-none-any.whl".to_owned()),
        Turn::Redirect("http://carl:s3cr%20t@127.0.0.1:1/".to_owned()),
        Turn::Redirect("ftp://carl:s3cr%20t@127.0.0.1/".to_owned()),
    ];
    let count = turns.len() - 1;
    server.script(NAME, turns);
    for _ in 0..count {
        let error = downloader.fetch(&wanted, &Silent).expect_err("it fails");
        texts.push(format!("{error} {error:?}"));
        assert!(
            texts
                .last()
                .is_some_and(|text| text.contains(&wanted.label)),
            "{texts:?}"
        );
    }
    let mut unreachable = server.url_with(ANNA_IN_URL, NAME);
    unreachable.set_scheme("https").expect("it is one too");
    let error = downloader
        .fetch(&loose(unreachable), &Silent)
        .expect_err("there is no such proxy");
    texts.push(format!("{error} {error:?}"));
    for file in files(&scene).iter().filter(|file| !file.ends_with(".whl")) {
        let path = scene.join("cache").join(file);
        texts.push(
            String::from_utf8_lossy(&std::fs::read(path).expect("it can be read")).into_owned(),
        );
    }
    for text in &texts {
        for secret in ["s3cr", "hidden", "anna", "YW5u"] {
            assert!(!text.contains(secret), "`{secret}` is in: {text}");
        }
    }
}

#[test]
fn proxies_and_logins_come_from_the_variables_of_the_process() {
    let (scene, server, proxy, wheel) = (
        Scene::new(),
        Server::start(),
        Server::start(),
        Wheel::new("demo", "1.0"),
    );
    let path = wheel.wheel_file_name();
    server.put(&path, &wheel.bytes());
    proxy.put(&path, &wheel.bytes());
    scene.write("logins", "machine 127.0.0.1 login bert password x\n");
    let (through, url) = (
        proxy.url_with(ANNA_IN_URL, "").to_string(),
        server.url(&path).to_string(),
    );
    let run = |variables: &[(&str, &str)]| {
        let mut command = scene.command();
        [
            "http_proxy",
            "all_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NO_PROXY",
            "NETRC",
        ]
        .iter()
        .for_each(|name| {
            command.env_remove(name);
        });
        command
            .args(["download", "--no-cache", "--dest", "here", &url])
            .envs(variables.iter().copied());
        Run::of(&mut command).assert_code(0);
    };
    let asked = |server: &Server| server.seen(&path).len();
    run(&[("http_proxy", &through)]);
    assert_eq!((asked(&proxy), asked(&server)), (1, 0));
    run(&[("all_proxy", &through)]);
    assert_eq!((asked(&proxy), asked(&server)), (2, 0));
    assert_eq!(proxy.seen(TUNNEL)[0].authorization.as_deref(), Some(ANNA));
    run(&[
        ("http_proxy", &through),
        ("no_proxy", "localhost,127.0.0.1"),
    ]);
    assert_eq!((asked(&proxy), asked(&server)), (2, 1));
    // On a server that runs this as CGI, a request header can set `HTTP_PROXY`.
    run(&[
        ("HTTP_PROXY", &through),
        ("NETRC", scene.join("logins").to_str().expect("it is text")),
    ]);
    assert_eq!((asked(&proxy), asked(&server)), (2, 2));
    let logins: Vec<_> = server
        .seen(&path)
        .into_iter()
        .map(|seen| seen.authorization)
        .collect();
    assert_eq!(logins, [None, Some("Basic YmVydDp4".to_owned())]);
}

#[test]
fn redirects_in_a_circle_are_refused() {
    let (scene, server) = (Scene::new(), Server::start());
    for (path, to) in [("a", "/b"), ("b", "/a"), ("c", "/c")] {
        server.put(path, b"");
        server.always(path, Turn::Redirect(to.to_owned()));
    }
    let downloader = downloader(&settings(&scene));
    for path in ["a", "c"] {
        let says = [
            server.url(path).to_string(),
            "`127.0.0.1` redirects in a circle".to_owned(),
        ];
        let result = downloader.fetch(&loose(server.url(path)), &Silent);
        fails(result, ErrorKind::Failed, &[&says[0], &says[1]]);
    }
    assert_eq!(server.order(), ["a", "b", "c"]);
}

#[test]
fn only_http_addresses_and_plain_names_are_fetched() {
    let (scene, server) = (Scene::new(), Server::start());
    let downloader = downloader(&settings(&scene));
    for text in [
        "file:///tmp/a.whl",
        "ftp://127.0.0.1/a.whl",
        "data:text/plain,PK",
    ] {
        let url = url::Url::parse(text).expect("it is one");
        fails(
            downloader.fetch(&loose(url), &Silent),
            ErrorKind::Failed,
            &["neither `http` nor `https`"],
        );
    }
    for name in ["", ".", "..", "../a.whl", "a/b.whl", "a\0b.whl"] {
        let wanted = RemoteFile {
            file_name: name.to_owned(),
            ..loose(server.url(NAME))
        };
        fails(
            downloader.fetch(&wanted, &Silent),
            ErrorKind::Usage,
            &["names no file"],
        );
    }
    assert_eq!(server.order(), [""; 0]);
}

#[test]
fn the_netrc_file_completes_a_user_and_its_default_stays_with_the_named_host() {
    let (scene, server, other, bytes) = (
        Scene::new(),
        Server::start(),
        Server::start(),
        body(1000, 6),
    );
    server.put(NAME, &bytes);
    let netrc = scene.write(
        "netrc",
        "machine 127.0.0.1 login bert password x\n\
         machine 127.0.0.1 login anna password s3cr\n\
         default login guest password y\n",
    );
    let settings = Settings {
        netrc: Some(netrc),
        cache: None,
        ..settings(&scene)
    };
    let sent = |server: &Server, url: url::Url| {
        downloader(&settings)
            .fetch(&loose(url), &Silent)
            .expect("it comes");
        let seen = server.seen(NAME);
        seen.last().expect("it was asked").authorization.clone()
    };
    for (login, expected) in [
        ("bert", "Basic YmVydDp4"),
        ("anna", "Basic YW5uYTpzM2Ny"),
        ("anna:own", "Basic YW5uYTpvd24="),
        ("guest", "Basic Z3Vlc3Q6eQ=="),
        // A token, which is a user without a password.
        ("carl", "Basic Y2FybDo="),
    ] {
        let found = sent(&server, server.url_with(login, NAME));
        assert_eq!(found.as_deref(), Some(expected), "{login}");
    }
    // To another host, the machine's login is sent and the default is not.
    let local = |url: url::Url| {
        let mut url = url;
        url.set_host(Some("localhost")).expect("it is a host");
        url
    };
    other.put(NAME, &bytes);
    server.put("leads", b"");
    server.always("leads", Turn::Redirect(local(other.url(NAME)).into()));
    assert_eq!(sent(&other, server.url("leads")), None);
    assert_eq!(
        sent(&other, local(other.url(NAME))).as_deref(),
        Some("Basic Z3Vlc3Q6eQ==")
    );
}

#[test]
fn a_netrc_file_that_cannot_be_read_is_a_warning() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put(NAME, &body(1000, 6));
    // A directory cannot be read by any user, while this test may run as root.
    let settings = Settings {
        netrc: Some(scene.path().to_owned()),
        ..settings(&scene)
    };
    let downloader = downloader(&settings);
    downloader
        .fetch(&loose(server.url(NAME)), &Silent)
        .expect("it comes");
    let codes: Vec<_> = downloader
        .take_warnings()
        .into_iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, [WarningCode::Netrc]);
}
