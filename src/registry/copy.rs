//! A blob that another repository has: mounted where both are on one registry, else read there while it is sent here, and
//! never on this disk in between.

use super::http::{Errand, Http};
use super::retry::Patience;
use super::wire::Rest;
use super::{Registry, RegistryError};
use crate::image::{Digest, Repository};
use reqwest::header::RANGE;
use reqwest::{Method, StatusCode, Url};
use std::ops::Range;

/// A blob in a repository from which it can be read.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    http: Http,
    errand: Errand,
    url: Url,
    size: u64,
}

/// A part of it on its way. Where the connection breaks, it goes on.
#[derive(Debug)]
pub(super) struct Coming {
    origin: Origin,
    /// What has not come yet.
    range: Range<u64>,
    /// The answer, and how many of its bytes come before the range.
    rest: Option<(Rest, usize)>,
    patience: Patience,
}

impl Registry {
    /// The blob `digest` of `size` bytes in `repository`. An image that has it may be pushed to the same host, which can
    /// mount it then.
    pub(super) fn origin(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
    ) -> Result<Origin, RegistryError> {
        let action = format!("fetch blob {} of {repository}", digest.short());
        let errand = self.http.to_read(repository, action)?;
        self.learnt.may_have(&errand.target, digest);
        let url = errand.target.url(&format!("blobs/{digest}"));
        Ok(Origin { http: self.http.clone(), errand, url, size })
    }
}

impl Origin {
    /// The host that has it.
    pub(super) fn host(&self) -> &str {
        &self.errand.target.host
    }

    /// Begins to read a part of it.
    pub(super) fn open(&self, range: Range<u64>) -> Coming {
        Coming { origin: self.clone(), range, rest: None, patience: Patience::default() }
    }

    /// What came is not what was asked for.
    pub(super) fn damaged(&self) -> RegistryError {
        let Errand { action, target, .. } = &self.errand;
        RegistryError::OtherContent { action: action.clone(), host: target.host.clone() }
    }
}

impl Coming {
    /// The next bytes, `None` after the last ones. Faults of the infrastructure are overcome here.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, RegistryError> {
        while !self.range.is_empty() {
            let error = match self.piece().await {
                Ok(piece) => {
                    self.range.start += piece.len() as u64;
                    self.patience.restore();
                    return Ok(Some(piece));
                }
                Err(error) => error,
            };
            let pause = self.patience.next(error.wait()).filter(|_| error.is_worth_another_try());
            tokio::time::sleep(pause.ok_or(error)?).await;
        }
        Ok(None)
    }

    async fn piece(&mut self) -> Result<Vec<u8>, RegistryError> {
        loop {
            let (mut rest, early) = match self.rest.take() {
                Some(rest) => rest,
                None => self.begin().await?,
            };
            let mut piece = rest.next().await?.ok_or_else(|| self.incomplete())?;
            let skipped = early.min(piece.len());
            self.rest = Some((rest, early - skipped));
            piece.drain(..skipped);
            piece.truncate(usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX));
            if !piece.is_empty() {
                return Ok(piece);
            }
        }
    }

    /// Asks for what is missing. Returns how many bytes come before it, too.
    async fn begin(&self) -> Result<(Rest, usize), RegistryError> {
        let Range { start, end } = self.range;
        let Origin { http, errand, url, size } = &self.origin;
        let is_whole = self.range == (0..*size);
        let answer = http.begin(errand, Method::GET, url, |request, _| match is_whole {
            true => request,
            false => request.header(RANGE, format!("bytes={start}-{}", end - 1)),
        });
        let answer = answer.await?.successful()?;
        // A registry that knows no ranges sends everything.
        let early = if answer.status == StatusCode::PARTIAL_CONTENT { 0 } else { start };
        Ok((answer.into_rest()?, usize::try_from(early).unwrap_or(usize::MAX)))
    }

    fn incomplete(&self) -> RegistryError {
        let Errand { action, target, .. } = &self.origin.errand;
        RegistryError::Incomplete { action: action.clone(), host: target.host.clone(), what: "all of it" }
    }
}
