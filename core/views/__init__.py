"""Pages of the shell: `shell`, `projects`, `account`; `jobs` is the engine room's."""
