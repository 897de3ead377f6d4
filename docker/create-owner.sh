#!/bin/sh
# Run once by the image of PostgreSQL, when its volume is empty: the database, and its owner, who is
# no superuser. Migrations run as the owner; it may create roles, because the first one makes some.
set -eu

psql --username "${POSTGRES_USER:-postgres}" --dbname postgres --no-psqlrc \
  --set ON_ERROR_STOP=1 --set password="${OWNER_PASSWORD:?set OWNER_PASSWORD}" <<'SQL'
create role crm login createrole password :'password';
create database crm owner crm;
revoke connect on database postgres from public;
SQL
