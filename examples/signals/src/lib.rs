//! The signals that stop the examples on tokio.

use std::io;

use tokio::signal;

/// Waits for Ctrl-C; on Unix for SIGTERM, too.
///
/// # Errors
///
/// This system has no signals to wait for.
pub async fn stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            result = signal::ctrl_c() => result,
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await
}
