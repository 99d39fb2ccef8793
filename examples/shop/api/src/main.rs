//! The shop's prices over HTTP: `/` lists them, `/healthz` answers when the server is up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LONGEST_REQUEST: u64 = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    println!("api: listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => drop(std::thread::spawn(move || answer(stream))),
            Err(error) => eprintln!("api: accept: {error}"),
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream) {
    if let Err(error) = read_path(&stream).and_then(|path| write_answer(&mut stream, &path)) {
        eprintln!("api: {error}");
    }
}

/// Reads to the end of the headers: closing a connection with unread bytes would reset it before the client has read.
fn read_path(stream: &TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(LONGEST_REQUEST)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    Ok(request.split(' ').nth(1).unwrap_or_default().to_owned())
}

fn write_answer(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    let (status, body) = match path {
        "/" => ("200 OK", price_list()),
        "/healthz" => ("200 OK", "ok\n".to_owned()),
        _ => ("404 Not Found", "not found\n".to_owned()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn price_list() -> String {
    pricing::SHELF
        .iter()
        .map(|article| format!("{} {}\n", article.name, pricing::gross_cents(article.net_cents)))
        .collect()
}
