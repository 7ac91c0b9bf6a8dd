//! Pages of a list: `?page=` from 1 and `?limit=`.

use serde::Serialize;

use crate::error::{Error, Result};

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    page: u32,
    limit: u32,
}

impl PageRequest {
    /// The limit where the caller names none.
    pub const DEFAULT_LIMIT: u32 = 50;
    /// The greatest limit.
    pub const MAX_LIMIT: u32 = 200;

    /// Page `page` (from 1) of `limit` entries (1 to 200); absent values take the defaults.
    pub fn new(page: Option<u32>, limit: Option<u32>) -> Result<Self> {
        let page = page.unwrap_or(1);
        let limit = limit.unwrap_or(Self::DEFAULT_LIMIT);
        if page == 0 {
            return Err(Error::invalid_field("page", "pages count from 1"));
        }
        if limit == 0 || limit > Self::MAX_LIMIT {
            let problem = format!("must be from 1 to {}", Self::MAX_LIMIT);
            return Err(Error::invalid_field("limit", problem));
        }
        Ok(Self { page, limit })
    }

    /// How many entries come before this page.
    pub fn offset(self) -> i64 {
        i64::from(self.page - 1) * i64::from(self.limit)
    }

    /// How many entries at most.
    pub fn limit(self) -> i64 {
        i64::from(self.limit)
    }

    /// The page made of `entries` out of `total`.
    pub fn of<T>(self, entries: Vec<T>, total: i64) -> Page<T> {
        Page {
            entries,
            pagination: Pagination {
                page: self.page,
                limit: self.limit,
                total,
            },
        }
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            page: 1,
            limit: Self::DEFAULT_LIMIT,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Its entries.
    pub entries: Vec<T>,
    /// Where it lies in the whole.
    pub pagination: Pagination,
}

/// Where a page lies in the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pagination {
    /// This page, from 1.
    pub page: u32,
    /// Entries a page.
    pub limit: u32,
    /// Entries in the whole list.
    pub total: i64,
}
