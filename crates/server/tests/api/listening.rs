//! The server on a real socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use trainmaster_server::serve;

use crate::support::TestApp;

struct Listening {
    connection: TcpStream,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// A server that listens, and a connection to it.
async fn listen(test: &TestApp) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopping) = oneshot::channel();
    let serving = tokio::spawn(serve(listener, test.app(), async { _ = stopping.await }));
    let connection = TcpStream::connect(address)
        .await
        .expect("the server listens");
    Listening {
        connection,
        stop,
        serving,
    }
}

/// Reads until something stands in what came.
async fn read_until(connection: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(end) {
        let count = connection
            .read_buf(&mut text)
            .await
            .expect("the connection holds");
        assert!(
            count > 0,
            "it ended after {}",
            String::from_utf8_lossy(&text)
        );
    }
    String::from_utf8(text).expect("UTF-8")
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams_and_takes_nobody_new() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let Listening {
        mut connection,
        stop,
        serving,
    } = listen(&test).await;
    let request = format!(
        "GET /api/v1/events?after=0 HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\r\n",
        root.token()
    );
    connection
        .write_all(request.as_bytes())
        .await
        .expect("the request is sent");
    let head = read_until(&mut connection, "event: TokenIssued").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    stop.send(()).expect("the server runs");
    let mut rest = Vec::new();
    connection
        .read_to_end(&mut rest)
        .await
        .expect("the stream ends");
    serving.await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn who_never_finishes_a_request_is_let_go() {
    let test = TestApp::start().await;
    let Listening {
        mut connection,
        stop,
        serving,
    } = listen(&test).await;
    let whole = b"GET /healthz/live HTTP/1.1\r\nHost: test\r\n\r\n";
    connection
        .write_all(whole)
        .await
        .expect("the request is sent");
    read_until(&mut connection, "\"ok\"").await;
    connection
        .write_all(b"GET /healthz/live HT")
        .await
        .expect("half a request is sent");
    // From here on time passes as soon as nothing else happens.
    tokio::time::pause();
    let mut rest = Vec::new();
    connection
        .read_to_end(&mut rest)
        .await
        .expect("the connection ends");
    stop.send(()).expect("the server runs");
    serving.await.expect("no panic").expect("an orderly end");
}
