package demo

import "errors"

// settle checks and decides everything that can be before anything is started.
func settle(c Config) (p plan, err error) {
	p = plan{Config: c, ownKafka: true, ownClickHouse: true, topic: or(c.Env("KAFKA_TOPIC"), "clickstream")}
	if brokers := c.Env("KAFKA_BROKERS"); brokers != "" {
		p.Kafka, p.ownKafka = brokers, false
	}
	if addresses := c.Env("CLICKHOUSE_ADDR"); addresses != "" {
		p.ClickHouse, p.ownClickHouse = addresses, false
	}
	if p.folder, err = openFolder(c.Data, c.Reset); err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.folder.unlock())
		}
	}()
	if err := settlePorts(p.ports()); err != nil {
		return p, err
	}
	http, err := freeAddresses(2)
	if err != nil {
		return p, err
	}
	p.producerHTTP, p.consumerHTTP = http[0], http[1]
	p.login = login{p.ClickHouse, or(c.Env("CLICKHOUSE_DATABASE"), "clickstream"), or(c.Env("CLICKHOUSE_USER"), "default"), ""}
	if err := p.settlePassword(); err != nil {
		return p, err
	}
	if p.producePath, err = p.folder.write("produce.yaml", c.Produce); err != nil {
		return p, err
	}
	p.consumePath, err = p.folder.write("consume.yaml", c.Consume)
	return p, err
}

// ports are those that our own servers will take.
func (p *plan) ports() []port {
	var ports []port
	if p.ownKafka {
		ports = append(ports, port{"kafka", &p.Kafka})
	}
	if p.ownClickHouse {
		ports = append(ports, port{"clickhouse", &p.ClickHouse}, port{"clickhouse-http", &p.ClickHouseHTTP})
	}
	if p.Page != "" {
		ports = append(ports, port{"page", &p.Page})
	}
	return ports
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
