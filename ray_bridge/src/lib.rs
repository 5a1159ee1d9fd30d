//! The cluster that lives on Ray: tasks as Ray tasks, outputs as Ray objects. In: stages of tasks
//! from `exec`. Out: their outputs. Empty until there are stages to place; it will know neither SQL
//! nor Postgres.
