//! What needs more than one module: the port's promises, real kills, real full disks, real damage.

mod conforms;
mod damage;
mod full_disk;
mod kill;
mod places;
mod query;
