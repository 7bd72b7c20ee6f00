//! Who may append. The lock file keeps a second process out while the first one lives, and the system lets go of it when
//! it dies: whoever has opened the log may take the lead at once, and needs no renewal. What stays is the epoch, checked
//! in every transaction that appends, for the case that the lock did not hold: a lock file that somebody removed, a file
//! system that only pretends to lock.

use std::sync::Arc;

use sqlx::Connection;
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_ports::log::{Claim, Error, Lease};

use super::fault::Fault;
use super::writer::Writer;
use super::{Inner, closed, rows};

impl Inner {
    pub(super) async fn lease(&self) -> Result<Lease, Error> {
        let near = |fault: Fault| fault.reading(Seq::ZERO);
        let mut conn = self.readers.acquire().await.map_err(|e| near(e.into()))?;
        rows::lease(&mut conn).await.map_err(near)
    }

    pub(super) async fn lead(self: Arc<Self>, holder: String, now: Time) -> Result<Claim, Error> {
        let mut guard = self.writer.lock().await;
        self.alive()?;
        let writer = guard.as_mut().ok_or_else(closed)?;
        match take(writer, &holder, now).await {
            Ok(Some(epoch)) => {
                writer.epoch = epoch;
                Ok(Claim::Leads { epoch })
            }
            Ok(None) => Err(Error::Locked(
                "another process wrote to it since it was opened".to_owned(),
            )),
            Err(fault) => {
                let error = writer.settle(fault, &self.places).await;
                Err(self.noted(error))
            }
        }
    }

    pub(super) async fn renew(self: Arc<Self>) -> Result<(), Error> {
        let mut guard = self.writer.lock().await;
        self.alive()?;
        let writer = guard.as_mut().ok_or_else(closed)?;
        let near = writer.head.tip.seq;
        let lease = rows::lease(&mut writer.conn).await;
        let newer = lease.map_err(|fault| fault.reading(near))?.epoch;
        if newer == writer.epoch && newer > 0 {
            return Ok(());
        }
        Err(Error::Fenced {
            epoch: writer.epoch,
            newer,
        })
    }

    pub(super) async fn resign(self: Arc<Self>) -> Result<(), Error> {
        let mut guard = self.writer.lock().await;
        self.alive()?;
        let writer = guard.as_mut().ok_or_else(closed)?;
        if writer.epoch == 0 {
            return Ok(());
        }
        match give_back(writer).await {
            Ok(()) | Err(Fault::Fenced) => Ok(()),
            Err(fault) => {
                let error = writer.settle(fault, &self.places).await;
                Err(self.noted(error))
            }
        }
    }
}

/// `None`: somebody appended since this process read where the log ends.
async fn take(writer: &mut Writer, holder: &str, now: Time) -> Result<Option<u64>, Fault> {
    let mut tx = writer.conn.begin_with("BEGIN IMMEDIATE").await?;
    if rows::head(&mut tx).await? != writer.head {
        return Ok(None);
    }
    let taken = rows::lease(&mut tx).await?.taken(holder, now);
    rows::set_lease(&mut tx, &taken).await?;
    tx.commit().await?;
    writer.wrote(0);
    Ok(Some(taken.epoch))
}

async fn give_back(writer: &mut Writer) -> Result<(), Fault> {
    let mut tx = writer.conn.begin_with("BEGIN IMMEDIATE").await?;
    rows::fence(&mut tx, writer.epoch).await?;
    let resigned = rows::lease(&mut tx).await?.resigned();
    rows::set_lease(&mut tx, &resigned).await?;
    tx.commit().await?;
    writer.wrote(0);
    Ok(())
}
