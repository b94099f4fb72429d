mod alerts;
mod drift;
mod faults;
mod health;
mod state;
mod stream;
