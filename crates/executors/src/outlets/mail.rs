//! E-mail through the installation's mail server.

use std::fmt;
use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use trainmaster_engine::outlet::{Carried, Parcel};
use url::{Host, Url};

use super::{refused, shortened};

/// How long the mail server has for each step.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest subject, in characters.
const SUBJECT_LENGTH_MAX: usize = 150;

/// The mail server that messages go to first.
#[derive(Clone)]
pub struct MailServer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    shown: String,
}

/// Settings of a mail server that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMailServer {
    /// The address has another form.
    #[error(
        "the mail server is written `smtps://host`, or `smtp://host` for STARTTLS, with `user@` before the host if it asks for one"
    )]
    Address,
    /// The sender has another form.
    #[error("`{0}` is not a mailbox such as `Trainmaster <releases@example.com>`")]
    From(String),
    /// A password would be sent in the clear.
    #[error(
        "a password is sent to another machine over TLS only; write `smtps://` or `smtp://` without `tls=none`"
    )]
    Plain,
    /// A user without a password.
    #[error("the mail server has a user; give its password in a file or in the environment")]
    NoPassword,
    /// TLS cannot be set up.
    #[error("TLS for the mail server cannot be set up: {0}")]
    Tls(String),
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer")
            .field("server", &self.shown)
            .finish_non_exhaustive()
    }
}

impl MailServer {
    /// A mail server by its address: `smtps://host:465` speaks TLS from the start, `smtp://host:587` begins with
    /// STARTTLS and goes on only if that succeeds; `smtp://localhost?tls=none` speaks in the clear.
    ///
    /// # Errors
    /// Settings that do not fit together, in words for whoever starts the server.
    pub fn new(
        address: &str,
        password: Option<&str>,
        from: &str,
    ) -> Result<MailServer, InvalidMailServer> {
        let url: Url = address.parse().map_err(|_| InvalidMailServer::Address)?;
        let host = url.host().ok_or(InvalidMailServer::Address)?;
        if url.password().is_some() || !matches!(url.path(), "" | "/") {
            return Err(InvalidMailServer::Address);
        }
        let plain = match url.query() {
            None => false,
            Some("tls=none") => true,
            Some(_) => return Err(InvalidMailServer::Address),
        };
        let from: Mailbox = from
            .parse()
            .map_err(|_| InvalidMailServer::From(from.to_owned()))?;
        let name = host.to_string();
        let tls = || {
            TlsParameters::new(name.clone())
                .map_err(|error| InvalidMailServer::Tls(error.to_string()))
        };
        let (tls, port) = match (url.scheme(), plain) {
            ("smtps", false) => (Tls::Wrapper(tls()?), 465),
            ("smtp", false) => (Tls::Required(tls()?), 587),
            ("smtp", true) => (Tls::None, 25),
            _ => return Err(InvalidMailServer::Address),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&name)
            .port(url.port().unwrap_or(port))
            .timeout(Some(TIMEOUT))
            .tls(tls);
        if !url.username().is_empty() {
            if plain && !is_this_machine(&host) {
                return Err(InvalidMailServer::Plain);
            }
            let password = password.ok_or(InvalidMailServer::NoPassword)?;
            let user = url.username().replace("%40", "@");
            builder = builder.credentials(Credentials::new(user, password.to_owned()));
        }
        Ok(MailServer {
            transport: builder.build(),
            from,
            shown: format!("{}://{name}", url.scheme()),
        })
    }

    /// Sends one mail to its mailboxes.
    pub(super) async fn send(&self, parcel: &Parcel, to: &[String]) -> Carried {
        let message = match self.message(parcel, to) {
            Ok(message) => message,
            Err(error) => return refused(error),
        };
        // What fails before the mail is handed over is known not to have been sent.
        match self.transport.test_connection().await {
            Ok(true) => (),
            Ok(false) => return later("the mail server closes the connection".to_owned()),
            Err(error) => return not_sent(&error),
        }
        match self.transport.send(message).await {
            Ok(response) => Carried::Delivered {
                status: Some(u16::from(response.code())),
                answer: shortened(&response.message().collect::<Vec<_>>().join(" ")),
            },
            Err(error) if error.is_permanent() || error.is_transient() => not_sent(&error),
            Err(error) => Carried::Lost {
                error: shortened(&chain(&error)),
            },
        }
    }

    fn message(&self, parcel: &Parcel, to: &[String]) -> Result<lettre::Message, String> {
        let said = &parcel.message;
        let subject: String = said
            .text
            .chars()
            .filter(|letter| !letter.is_control())
            .take(SUBJECT_LENGTH_MAX)
            .collect();
        let domain = self.from.email.domain();
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .message_id(Some(format!("<{}@{domain}>", parcel.id)))
            .date(std::time::SystemTime::from(said.at))
            .header(ContentType::TEXT_PLAIN);
        for mailbox in to {
            let address: Address = mailbox
                .parse()
                .map_err(|_| format!("`{mailbox}` is not a mailbox"))?;
            builder = builder.to(Mailbox::new(None, address));
        }
        let body = format!(
            "{}\r\n\r\n{}\r\n\r\nEvent: {}\r\nWhen: {}\r\n",
            said.text, said.link, said.word, said.at
        );
        builder.body(body).map_err(|error| error.to_string())
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// What the mail server's refusal means for another try.
fn not_sent(error: &Error) -> Carried {
    let status = error.status().map(u16::from);
    let said = shortened(&chain(error));
    if error.is_permanent() {
        return Carried::Refused {
            status,
            error: said,
        };
    }
    Carried::Later {
        status,
        error: said,
        after: None,
    }
}

fn later(error: String) -> Carried {
    Carried::Later {
        status: None,
        error,
        after: None,
    }
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str, password: Option<&str>) -> Result<MailServer, InvalidMailServer> {
        MailServer::new(address, password, "Trainmaster <releases@example.com>")
    }

    #[test]
    fn a_mail_server_is_named_by_its_address() {
        for good in [
            "smtp://mail.example.com",
            "smtps://mail.example.com:4650",
            "smtp://127.0.0.1:2525?tls=none",
        ] {
            assert!(server(good, None).is_ok(), "{good}");
        }
        assert!(server("smtps://ada%40example.com@mail.example.com", Some("x")).is_ok());
        for bad in [
            "mail.example.com",
            "http://mail.example.com",
            "smtp://u:p@mail.example.com",
            "smtp://mail.example.com?tls=maybe",
        ] {
            assert_eq!(
                server(bad, None).expect_err(bad),
                InvalidMailServer::Address,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_password_never_goes_to_another_machine_in_the_clear() {
        let plain = server("smtp://ada@mail.example.com?tls=none", Some("x"));
        assert_eq!(plain.expect_err("refused"), InvalidMailServer::Plain);
        assert!(server("smtp://ada@localhost?tls=none", Some("x")).is_ok());
        let silent = server("smtps://ada@mail.example.com", None);
        assert_eq!(silent.expect_err("refused"), InvalidMailServer::NoPassword);
    }

    #[test]
    fn what_is_printed_of_it_holds_no_password() {
        let server = server("smtps://ada@mail.example.com", Some("s3cr3t")).expect("a server");
        assert!(!format!("{server:?}").contains("s3cr3t"));
    }
}
