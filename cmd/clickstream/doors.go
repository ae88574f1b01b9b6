package main

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/gorilla/mux"
	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/door"
)

// guardAPI puts internal/door in front of everything that Benthos' HTTP server answers:
// health, metrics, the API of `clickstream streams`, which takes pipelines from whoever
// asks, and what components of the pipeline serve there. It is called before that API
// and the components exist.
func guardAPI(conf *service.ParsedConfig) error {
	router, err := routerOf(conf.Resources())
	if err != nil {
		return fmt.Errorf("guard the HTTP server: %w", err)
	}
	d, err := doorOf(conf.Namespace("http"))
	if err != nil {
		return err
	}
	router.Use(d.guard)
	return nil
}

// apiDoor is what the field http of a pipeline says of who may ask.
type apiDoor struct {
	// open: it listens beyond this machine.
	open bool
	// origins are those of pages elsewhere that the operator lets in: cors.allowed_origins.
	origins []string
}

func doorOf(http *service.ParsedConfig) (d apiDoor, err error) {
	address, err := http.FieldString("address")
	if err != nil {
		return d, err
	}
	d.open = !door.Loopback(address)
	if cors, err := http.FieldBool("cors", "enabled"); err != nil || !cors {
		return d, err
	}
	d.origins, err = http.FieldStringList("cors", "allowed_origins")
	return d, err
}

func (d apiDoor) guard(next http.Handler) http.Handler {
	guarded := door.Guard(next)
	if d.open {
		guarded = door.Open(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && (slices.Contains(d.origins, origin) || slices.Contains(d.origins, "*")) {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// routerOf reaches the router of Benthos' HTTP server. There is no public way to it.
// With another Benthos this may fail, and then nothing may be served: without the guard
// a page of any site could run a pipeline here.
func routerOf(resources *service.Resources) (*mux.Router, error) {
	manager := reflect.ValueOf(managerOf(resources))
	if manager.Kind() != reflect.Pointer || manager.Elem().Kind() != reflect.Struct {
		return nil, errors.New("no manager")
	}
	api := manager.Elem().FieldByName("apiReg")
	for api.Kind() == reflect.Interface || api.Kind() == reflect.Pointer {
		api = api.Elem()
	}
	if api.Kind() != reflect.Struct {
		return nil, errors.New("the manager has no HTTP server")
	}
	router := api.FieldByName("mux")
	if !router.IsValid() || router.Type() != reflect.TypeFor[*mux.Router]() || router.IsNil() {
		return nil, errors.New("the HTTP server has no router")
	}
	return (*mux.Router)(router.UnsafePointer()), nil
}
