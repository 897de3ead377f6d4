/* Reverts 000001. Deletes every product. */

drop schema shop cascade;
