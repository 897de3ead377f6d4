/* The way back of 000001. Every product goes. */

drop schema shop cascade;
