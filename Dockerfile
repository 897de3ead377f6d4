# The server and its command line; the database is another container, see docker-compose.yml. The
# release of Node is that of the dependency `node` in package.json, so that none is carried.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /pgcrm/app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    npm_config_cache=/tmp/.npm \
    npm_config_update_notifier=false
WORKDIR /pgcrm/app
COPY --from=packages /pgcrm/app/node_modules ./node_modules
COPY . .

# In its own folder npx would change the mode of the file, which is root's.
WORKDIR /pgcrm
RUN mkdir -p node_modules/.bin && ln -s ../../app/bin/pgcrm.js node_modules/.bin/pgcrm

# All files are root's: the server cannot change them.
USER node
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 5000}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "app/bin/pgcrm.js", "start"]
