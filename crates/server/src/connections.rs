//! Connections: each is taken, served by the router over HTTP/1.1, and ended.
//!
//! Instead of `axum::serve`, which first tells HTTP/2 from HTTP/1.1 and keeps the memory for both: a visitor's
//! stream lasts as long as an answer is written, so what a connection holds is multiplied by thousands. Nor has
//! that an end to the time in which a request's head may come.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// How long a connection may take until the whole head of its next request is there, be it the first or, where it is
/// kept open, a later one. Longer than proxies keep theirs open, so that it is they who close them.
pub const HEAD_TIME: Duration = Duration::from_secs(120);

/// Serves whoever connects until `stopping`, and then those who are connected until their requests are answered.
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    head_time: Duration,
    stopping: CancellationToken,
) {
    let connections = TaskTracker::new();
    loop {
        // It waits out whatever keeps it from taking the next one, such as too many open files.
        let next = Listener::accept(&mut listener);
        let (socket, peer) = tokio::select! {
            connection = next => connection,
            () = stopping.cancelled() => break,
        };
        let served = converse(socket, peer, router.clone(), head_time, stopping.clone());
        connections.spawn(served);
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Answers a connection's requests until either end closes it.
async fn converse(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_time: Duration,
    stopping: CancellationToken,
) {
    // Without it each event of a stream waits for the acknowledgement of the one before: 40 ms.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        // The other end's address is what visitors' limits count by.
        request.extensions_mut().insert(ConnectInfo(peer));
        let answered = router.clone().call(request);
        async move { Ok::<_, Infallible>(answered.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .serve_connection(TokioIo::new(socket), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn start(
        head_time: Duration,
    ) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let router = Router::new().route("/peer", get(peer));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stopping = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, router, head_time, stopping.clone()));
        (address, stopping, serving)
    }

    /// Sends the bytes, and reads until the server closes the connection.
    async fn said_until_closed(address: SocketAddr, sent: &str) -> (String, SocketAddr) {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        socket.write_all(sent.as_bytes()).await.expect("sent");
        let mut said = String::new();
        socket
            .read_to_string(&mut said)
            .await
            .expect("closed in peace");
        (said, socket.local_addr().expect("connected"))
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_not_waited_for() {
        let (address, _stopping, _serving) = start(Duration::from_millis(20)).await;
        let (said, _) = said_until_closed(address, "GET /peer HTTP/1.1\r\nhost: okra\r\n").await;
        assert!(!said.contains("200 OK"), "{said}");
        // One that is there is answered, and the next one, which never comes, not waited for.
        let (address, _stopping, _serving) = start(Duration::from_secs(1)).await;
        let whole = "GET /peer HTTP/1.1\r\nhost: okra\r\n\r\n";
        let (said, own) = said_until_closed(address, whole).await;
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
        assert!(said.ends_with(&own.to_string()), "{said}");
    }

    #[tokio::test]
    async fn what_is_kept_open_does_not_keep_the_server() {
        let (address, stopping, serving) = start(HEAD_TIME).await;
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        let request = "GET /peer HTTP/1.1\r\nhost: okra\r\n\r\n";
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut byte = [0];
        socket
            .read_exact(&mut byte)
            .await
            .expect("an answer begins");
        stopping.cancel();
        serving.await.expect("it ends");
        let mut rest = String::new();
        socket
            .read_to_string(&mut rest)
            .await
            .expect("closed in peace");
        let own = socket.local_addr().expect("connected").to_string();
        assert!(rest.ends_with(&own), "{rest}");
    }
}
