//! Listening until it is time to stop.

use std::future::Future;
use std::io;

use tokio::net::TcpListener;

use crate::routes::router;
use crate::state::App;

/// Serves until `stop` is ready; then live streams end, and requests under way are answered.
pub async fn serve(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = router(app.clone());
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            stop.await;
            app.stop_streams();
        })
        .await
}
