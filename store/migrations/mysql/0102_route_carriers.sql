-- +goose Up
CREATE TABLE route_carriers (
  route_id   BIGINT NOT NULL,
  n          BIGINT NOT NULL COMMENT 'his place, from 1',
  carrier_id BIGINT NOT NULL,
  PRIMARY KEY (route_id, n),
  UNIQUE (route_id, carrier_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
